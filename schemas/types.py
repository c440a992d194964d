"""Field types of events, all bounded; the bounds are in the published JSON Schema."""

import re
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema

MAX_VERSION: Final = 2**31 - 1
"""A larger number is a producer's mistake."""

_CLOCK_SLACK_S: Final = 60

MAX_TEXT: Final = 1000

MAX_KEY: Final = 64

MAX_NUMBER: Final = 2**53 - 1
"""Readers with doubles only would round larger integers."""

MAX_PARAMETERS: Final = 32
MAX_REASONS: Final = 32
MAX_CHECKS: Final = 16
MAX_DEPARTMENTS: Final = 64
MAX_NAMED_STUDENTS: Final = 500
MAX_FACTS: Final = 64
MAX_ROWS: Final = 512
"""Of one table in the facts (residences, arrears)."""

STUDENT_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9-]{2,31}$"
NAME_PATTERN: Final = r"^[a-z][a-z0-9-]{0,62}$"
INSTANT_PATTERN: Final = (
    r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$"
)
"""RFC 3339 with an offset, years 2000 to 2999: libraries disagree about other spellings."""

ID_PATTERN: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

_INSTANT: Final = re.compile(INSTANT_PATTERN[1:-1])
_ID: Final = re.compile(ID_PATTERN[1:-1])


def is_plausible_version(version: int, now_s: float) -> bool:
    return version <= highest_plausible_version(now_s)


def highest_plausible_version(now_s: float) -> int:
    """Versions count from 1: one above the seconds since 1970 is a producer's mistake.

    So a higher one that every reader accepts exists a second later, whatever a mistake has published.
    """
    return int(now_s) + _CLOCK_SLACK_S


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _INSTANT.fullmatch(value):
        raise ValueError("an instant is written like 2026-06-01T08:30:00Z or 2026-06-01T16:30:00+08:00")
    return datetime.fromisoformat(value)


def _id(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _ID.fullmatch(value):
        raise ValueError("an id is a UUID of lower-case hexadecimal digits in the five groups of RFC 9562")
    return UUID(value)


def storable_instant(value: datetime) -> datetime:
    """Near the ends of the calendar an instant has no UTC. Raises `ValueError`."""
    if value.tzinfo is None:
        raise ValueError("an instant needs its offset from UTC")
    if not 2000 <= value.year <= 2999:
        raise ValueError("an instant lies in the years 2000 to 2999")
    return value


def _upper_case(value: str) -> str:
    if value != value.upper():
        raise ValueError("a student id has one spelling, in upper case")
    return value


StudentId = Annotated[
    str,
    Field(
        pattern=STUDENT_ID_PATTERN,
        examples=["TS20260001"],
        description="In its one spelling: upper case. Another one is unreadable.",
    ),
    AfterValidator(_upper_case),
]
"""As events have it: `services.kit.student_numbers` reads what people write."""
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION)]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    AfterValidator(storable_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": INSTANT_PATTERN}),
]

Id = Annotated[
    UUID,
    BeforeValidator(_id),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
]

_Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY)]
_Text = Annotated[str, Field(max_length=MAX_TEXT)]
_Number = Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
Parameters = Annotated[dict[_Key, _Text | _Number], Field(max_length=MAX_PARAMETERS)]
"""Strings and integers; money is a decimal string."""


def flat_facts(facts: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Raises `ValueError` unless `facts` are scalars, and tables as lists of rows of scalars, without fractions."""
    for key, value in facts.items():
        if not isinstance(value, list):
            _scalar(key, value)
            continue
        _require(1 <= len(key) <= MAX_KEY, f"a fact's name has 1 to {MAX_KEY} characters")
        _require(len(value) <= MAX_ROWS, f"a table has at most {MAX_ROWS} rows")
        for row in value:
            if not isinstance(row, dict) or len(row) > MAX_FACTS:
                raise ValueError(f"a table is a list of rows, and a row an object of at most {MAX_FACTS} columns")
            for column, cell in row.items():
                _scalar(column, cell)
    return facts


def _scalar(key: str, value: JsonValue) -> None:
    _require(1 <= len(key) <= MAX_KEY, f"a fact's name has 1 to {MAX_KEY} characters")
    if isinstance(value, str):
        _require(len(value) <= MAX_TEXT, f"a text has at most {MAX_TEXT} characters")
    elif isinstance(value, int):
        _require(abs(value) <= MAX_NUMBER, "a number lies within plus or minus 2^53 - 1")
    else:
        _require(value is None, "a fact is a text, a whole number, true, false or null, or a table of these")


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(rule)


_SCALAR_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "string", "maxLength": MAX_TEXT},
        {"type": "integer", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
        {"type": "boolean"},
        {"type": "null"},
    ]
}
_ROW_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "maxProperties": MAX_FACTS,
    "propertyNames": {"minLength": 1, "maxLength": MAX_KEY},
    "additionalProperties": _SCALAR_SCHEMA,
}
_FACTS_SCHEMA: Final[dict[str, Any]] = {
    **_ROW_SCHEMA,
    "additionalProperties": {
        "anyOf": [*_SCALAR_SCHEMA["anyOf"], {"type": "array", "maxItems": MAX_ROWS, "items": _ROW_SCHEMA}]
    },
}

Facts = Annotated[
    dict[str, JsonValue],
    Field(max_length=MAX_FACTS),
    AfterValidator(flat_facts),
    WithJsonSchema(_FACTS_SCHEMA),
]
"""Each department publishes a schema of its own."""
