"""A record's lists: one item per key, and a limit. Pure."""

from collections.abc import Iterable
from typing import TypeVar

from services.kit.operations import Refused, Remedy
from services.kit.rules.fields import Item
from services.kit.rules.reasons import RECORD_FULL

T = TypeVar("T", bound=Item)


def find_by_key(items: Iterable[T], **key: object) -> T | None:
    return next((item for item in items if all(getattr(item, name) == value for name, value in key.items())), None)


def replace_by_key(items: tuple[T, ...], item: T, *key: str, limit: int) -> tuple[T, ...]:
    """Replaces the item with the same `key`, or appends. Raises `Refused` at the limit."""
    known = find_by_key(items, **{name: getattr(item, name) for name in key})
    if known is not None:
        return tuple(item if other is known else other for other in items)
    if len(items) >= limit:
        raise Refused(
            RECORD_FULL(limit=limit),
            remedy=Remedy(
                "请更新整份记录，去掉早已了结的各项。", "Replace the record, leaving out what was settled long ago."
            ),
        )
    return (*items, item)
