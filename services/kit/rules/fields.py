"""Field types of records, bodies and rows. Pure.

Money is a `Decimal` with two decimals, in JSON a number or string of at most nine digits, which survives floating
point.
"""

import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticKnownError

from services.kit.operations import OperationBody
from services.kit.rules.instants import read_instant
from services.kit.rules.visible_text import STORED, VISIBLE

CENT: Final = Decimal("0.01")
ZERO: Final = Decimal("0.00")
MAX_AMOUNT: Final = Decimal("9999999.99")
EARLIEST_DAY: Final = date(1950, 1, 1)
LATEST_DAY: Final = date(2149, 12, 31)
_WRITTEN_OUT: Final = re.compile(r"\s*[+-]?[0-9]*\.?[0-9]*\s*")


class Item(BaseModel):
    """Of a record's list, or of published facts."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Identifier:
    """Marks a text in `Annotated` as an id: a spreadsheet may not take it for a number or a date."""


def yuan(amount: Decimal) -> str:
    """As in facts and reasons: "682.40"."""
    return f"{amount:.2f}"


def item_key(*parts: str) -> tuple[str, ...]:
    """What names of one item have in common: `Ａ0307` is `a0307`, `梅苑 1楼` is `梅苑1楼`."""
    return tuple(map(_folded_name, parts))


def _folded_name(part: str) -> str:
    if part.isascii():
        return part.lower() if part.isalnum() else "".join(part.lower().split())
    return "".join(unicodedata.normalize("NFKC", part).casefold().split())


def distinct(*names: str) -> AfterValidator:
    """No two items are named alike by these fields, however they are spelled."""

    def check(items: tuple[Item, ...], info: ValidationInfo) -> tuple[Item, ...]:
        if info.context is not STORED and len({item_key(*_texts(item, names)) for item in items}) != len(items):
            raise ValueError(f"two items have the same {', '.join(names)}")
        return items

    return AfterValidator(check)


def _texts(item: Item, names: tuple[str, ...]) -> list[str]:
    return [str(getattr(item, name)) for name in names]


def _folded(value: Any) -> Any:
    return unicodedata.normalize("NFKC", value) if isinstance(value, str) and not value.isascii() else value


def _two_decimals(value: Decimal) -> Decimal:
    return value.quantize(CENT) + ZERO  # never -0.00


def _digits_written_out(value: Any) -> Any:
    """A sheet that shows 8354.00 as 8.35E+03 saves that in a CSV: it may be another amount."""
    if isinstance(value, str) and not _WRITTEN_OUT.fullmatch(value):
        raise PydanticKnownError("decimal_parsing")
    return value


def _iso_day(value: Any) -> Any:
    """Pydantic takes numbers and bare digits for seconds since 1970."""
    if isinstance(value, datetime | date) or (isinstance(value, str) and value.count("-") == 2):
        return value.strip() if isinstance(value, str) else value
    raise ValueError("a day is written YYYY-MM-DD")


def _plausible_day(value: date) -> date:
    if not EARLIEST_DAY <= value <= LATEST_DAY:
        raise ValueError(f"a day lies between {EARLIEST_DAY} and {LATEST_DAY}")
    return value


def _money_schema(minimum: dict[str, int], text: str) -> WithJsonSchema:
    """Pydantic's own schema accepts any string and number."""
    number = {"type": "number", **minimum, "maximum": 9_999_999.99}
    accepted = [number, {"type": "string", "pattern": text}]
    return WithJsonSchema({"anyOf": accepted, "examples": ["72.40"]}, mode="validation")


Money = Annotated[
    Decimal,
    Field(ge=0, max_digits=9, decimal_places=2, examples=["72.40"]),
    AfterValidator(_two_decimals),
    _money_schema({"minimum": 0}, r"^\d{1,7}(\.\d{1,2})?$"),
]
"""Yuan, zero or more."""
Amount = Annotated[
    Decimal,
    Field(gt=0, max_digits=9, decimal_places=2, examples=["72.40"]),
    AfterValidator(_two_decimals),
    _money_schema({"exclusiveMinimum": 0}, r"^(?=.*[1-9])\d{1,7}(\.\d{1,2})?$"),
]
"""Yuan, more than zero."""
SignedMoney = Annotated[
    Decimal,
    Field(max_digits=9, decimal_places=2, examples=["72.40"]),
    AfterValidator(_two_decimals),
    BeforeValidator(_digits_written_out),
]
"""Yuan in an import row; the rules refuse a negative amount."""
MoneyText = Annotated[str, Field(pattern=r"^\d{1,12}\.\d{2}$", examples=["682.40"])]
"""Money in facts."""
Day = Annotated[
    date,
    BeforeValidator(_iso_day),
    AfterValidator(_plausible_day),
    Field(examples=["2026-06-05"], json_schema_extra={"pattern": r"^(19[5-9]|20\d|21[0-4])\d-\d\d-\d\d$"}),
]
# No control characters: PostgreSQL's jsonb refuses NUL, and a line break in a title would break the page.
_LINE = r"^[^\x00-\x1f\x7f]+$"
ShortLine = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=_LINE), VISIBLE
]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE), VISIBLE]


def _one_kind_of_line_break(value: Any) -> Any:
    return value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value


Paragraph = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]+$"),
    BeforeValidator(_one_kind_of_line_break),
    VISIBLE,
]
"""What a person writes to another, in several lines."""


def _nfkc(value: Any) -> Any:
    return unicodedata.normalize("NFKC", value) if isinstance(value, str) else value


CohortName = Annotated[ShortLine, BeforeValidator(_nfkc)]
"""A graduation season (届别), as the roster and covering loads name it: `２０２６` is `2026`."""
ItemId = Annotated[
    str,
    Identifier(),
    StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$"),
    BeforeValidator(_folded),
]
"""A barcode, a charge number: full-width forms are folded, case is kept. `item_key` says which are the same."""
PlaceName = Annotated[ShortLine, Identifier()]
"""Part of the name of a place that may be digits alone: a room, a building."""


def _row_instant(value: Any) -> Any:
    at = read_instant(value) if isinstance(value, str) else value
    if not isinstance(at, datetime):
        raise ValueError("an instant is written like 2026-06-05 14:30")
    return at


RowInstant = Annotated[datetime, BeforeValidator(_row_instant), Field(examples=["2026-06-05 14:30"])]
"""Naive as exports write it: of the university's time zone."""


class ImportRow(OperationBody):
    """Cells arrive as text; empty ones are absent. `as_of`: when it was true; the file's instant without it."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    as_of: RowInstant | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        return {name: cell for name, cell in row.items() if not _empty(cell)}


def _empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())
