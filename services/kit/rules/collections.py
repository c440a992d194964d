"""A record's lists: one item per name, however the name is spelled, and a limit. Pure."""

from collections.abc import Sequence
from typing import Final, TypeVar

from services.kit.operations import Refused, Remedy
from services.kit.rules.fields import Item, item_key
from services.kit.rules.reasons import RECORD_FULL, Refusal

NAME_IN_ANOTHER_CASE: Final = Refusal("name-in-another-case")

T = TypeVar("T", bound=Item)


def find_by_key(items: Sequence[T], **key: str) -> T | None:
    """The item of this name: spelled so, or else in another case, width or spacing."""
    if not items:
        return None
    wanted = [*key.values()]
    exact = next((item for item in items if _name(item, *key) == wanted), None)
    if exact is not None:
        return exact
    folded = item_key(*wanted)
    return next((item for item in items if item_key(*_name(item, *key)) == folded), None)


def replace_by_key(items: tuple[T, ...], item: T, *key: str, limit: int) -> tuple[T, ...]:
    """Replaces the item of the same name, which keeps its first spelling, or appends. Raises `Refused` at the limit."""
    known = _known(items, item, *key)
    if known is not None:
        return tuple(spelled_as(known, item, *key) if other is known else other for other in items)
    if len(items) >= limit:
        raise Refused(
            RECORD_FULL(limit=limit),
            remedy=Remedy(
                "请更新整份记录，去掉早已了结的各项。", "Replace the record, leaving out what was settled long ago."
            ),
        )
    return (*items, item)


def spelled_as(known: T, item: T, *key: str) -> T:
    """`item` under the name of `known`."""
    return item.model_copy(update={name: getattr(known, name) for name in key})


def require_one_item(items: Sequence[T], item: T, key: str, *content: str) -> None:
    """Raises `Refused` if a known item's name differs in case and its `content` too: of two items one would be lost."""
    known = _known(items, item, key)
    if known is None or getattr(known, key) == getattr(item, key):
        return
    if any(getattr(known, name) != getattr(item, name) for name in content):
        remedy = Remedy(
            "请按已登记的大小写填写编号；如确是另一项，请换一个编号。",
            "Write the id in the case that is on record; give it another id if it is another item.",
        )
        raise Refused(NAME_IN_ANOTHER_CASE(), field=key, remedy=remedy)


def _known(items: Sequence[T], item: T, *key: str) -> T | None:
    return find_by_key(items, **dict(zip(key, _name(item, *key), strict=True)))


def _name(item: Item, *key: str) -> list[str]:
    return [getattr(item, name) for name in key]
