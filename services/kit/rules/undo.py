"""Taking back what an operation did: the part of the record that it changed is put as it was before. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from services.kit.operations import Refused, Remedy
from services.kit.rules.fields import item_key
from services.kit.rules.reasons import RECORD_FULL, Refusal
from services.kit.rules.visible_text import STORED

MOVED_ON: Final = Refusal("undo-moved-on")
TAKEN_BACK_BEFORE: Final = Refusal("undo-repeated")
NOT_OFFERED: Final = Refusal("undo-not-offered")
SETTLED_A_QUESTION: Final = Refusal("undo-settled-question")

_AS_IT_IS_NOW: Final = Remedy(
    "请按现在的内容另行办理。", "Look at what is on record now, and correct it by an operation of its own."
)

R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Undo(Generic[R]):
    """The part that an operation changes: a field of the record, or the line of a list that its body names by `key`.

    `allowed` raises `Refused` for the record as it would be. `taken`: refuses it while another student holds an item
    that the student would have again.
    """

    part: str
    key: tuple[str, ...] = ()
    allowed: Callable[[R], None] | None = None
    taken: Callable[[], Refused] | None = None

    def names(self, body: BaseModel) -> dict[str, str]:
        """Of the line, as the body has them."""
        return {name: str(getattr(body, name)) for name in self.key}

    def of(self, record: R, names: Mapping[str, str]) -> Any:
        """The part, as JSON; None for no such line."""
        part = record.model_dump(mode="json", include={self.part})[self.part]
        if not self.key:
            return part
        index = self._index(part, names)
        return None if index is None else part[index]

    def take_back(self, record: R, names: Mapping[str, str], *, before: Any, after: Any) -> R:
        """Raises `Refused` unless the part is still as the operation left it."""
        if self.of(record, names) != after:
            raise Refused(MOVED_ON(), remedy=_AS_IT_IS_NOW)
        fields = record.model_dump(mode="json")
        fields[self.part] = self._with_line(record, fields[self.part], names, before) if self.key else before
        restored = type(record).model_validate_json(json.dumps(fields), context=STORED)
        if self.allowed is not None:
            self.allowed(restored)
        return restored

    def _with_line(self, record: R, lines: list[Any], names: Mapping[str, str], before: Any) -> list[Any]:
        index = self._index(lines, names)
        if index is None:
            if len(lines) >= (limit := _limit_of(record, self.part)):
                raise Refused(RECORD_FULL(limit=limit), remedy=_AS_IT_IS_NOW)
            return [*lines, before]
        return [*lines[:index], *([] if before is None else [before]), *lines[index + 1 :]]

    def _index(self, lines: list[Any], names: Mapping[str, str]) -> int | None:
        wanted = item_key(*(names[name] for name in self.key))
        spelled = (item_key(*(str(line[name]) for name in self.key)) for line in lines)
        return next((index for index, each in enumerate(spelled) if each == wanted), None)


def _limit_of(record: BaseModel, part: str) -> int:
    """`max_length` of the field."""
    metadata = type(record).model_fields[part].metadata
    return int(next(one.max_length for one in metadata if hasattr(one, "max_length")))
