"""The kind of value a column holds, by its field's annotation, and the one spelling of such a value. Pure."""

import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from schemas.student_ids import canonical_student_id
from services.kit.rules.fields import Identifier


class FieldKind(StrEnum):
    STUDENT_ID = "student-id"
    IDENTIFIER = "identifier"
    CODE = "code"
    FLAG = "flag"
    DAY = "day"
    INSTANT = "instant"
    MONEY = "money"
    NUMBER = "number"
    TEXT = "text"

    @property
    def identifies(self) -> bool:
        return self in (FieldKind.STUDENT_ID, FieldKind.IDENTIFIER)


def field_kind(name: str, field: FieldInfo) -> FieldKind:
    if name == "student_id":
        return FieldKind.STUDENT_ID
    if any(isinstance(each, Identifier) for each in field.metadata):
        return FieldKind.IDENTIFIER
    return _kind(field.annotation)


def _kind(annotation: Any) -> FieldKind:
    if get_origin(annotation) is Annotated:
        if any(isinstance(each, Identifier) for each in annotation.__metadata__):
            return FieldKind.IDENTIFIER
        return _kind(annotation.__origin__)
    if get_origin(annotation) is Literal:
        return FieldKind.CODE
    if isinstance(annotation, type):
        return _kind_of_type(annotation)
    kinds = [_kind(each) for each in get_args(annotation)]
    return next((kind for kind in kinds if kind is not FieldKind.TEXT), FieldKind.TEXT)


def _kind_of_type(annotation: type) -> FieldKind:
    for base, kind in _KINDS.items():
        if issubclass(annotation, base):
            return kind
    return FieldKind.TEXT


_KINDS: Final[dict[type, FieldKind]] = {
    Enum: FieldKind.CODE,
    bool: FieldKind.FLAG,
    int: FieldKind.NUMBER,
    Decimal: FieldKind.MONEY,
    datetime: FieldKind.INSTANT,
    date: FieldKind.DAY,
}


def spelled(kind: FieldKind, text: str) -> str:
    """`text` in the one spelling of its kind: full-width forms folded where it is no name or title, ends trimmed."""
    folded = text.strip()
    if kind is FieldKind.TEXT:
        return folded
    if not folded.isascii():
        folded = unicodedata.normalize("NFKC", folded).strip()
    if kind is FieldKind.DAY:
        return as_day(folded)
    if kind is FieldKind.FLAG:
        return _FLAGS.get(folded, folded)
    if not kind.identifies:
        return folded
    if folded[:1] != "'" and kind is FieldKind.IDENTIFIER:
        return folded
    bare = folded.removeprefix("'").strip()
    return (canonical_student_id(bare) or bare) if kind is FieldKind.STUDENT_ID else bare


_FLAGS: Final = {"是": "yes", "否": "no"}
_DAY: Final = re.compile(
    r"\s*([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?"
    r"(?:(?:(?<=日)|[ T])\s*(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?)?\s*"
)


def as_day(text: str) -> str:
    """YYYY-MM-DD for a day as exports write it (2026/6/5, 2026年6月5日, 2026-06-05 14:30:00); other text as it is.

    An offset is not read: the day it means depends on where one is.
    """
    found = _DAY.fullmatch(text)
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}" if found else text


_SCIENTIFIC: Final = re.compile(r"\s*'?[+-]?[0-9](?:\.[0-9]+)?E[+-]?[0-9]+\s*", re.IGNORECASE)


def is_scientific(text: str) -> bool:
    """Whether an id's text is a number in E notation: its last digits are lost."""
    if text.isascii() and "E" not in text and "e" not in text:
        return False
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return _SCIENTIFIC.fullmatch(plain) is not None
