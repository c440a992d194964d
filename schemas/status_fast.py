"""Fast decoder of `StatusChanged`: accepts what the model accepts, at a fifth of its cost.

Names are looked up among those validated before: a regular expression each costs more than decoding. Whole documents
that are byte for byte as our encoder writes them are decoded once, and encoded once to know that: a half of the cost of
the envelope and its data one after the other. Many are handled as lines of one text, and by lists: a call of Python for
each member of each document costs as much as its decoding.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from schemas import types
from schemas.student_ids import is_canonical_student_id

_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=types.MAX_KEY)]
_Text = Annotated[str, msgspec.Meta(max_length=types.MAX_TEXT)]
_Number = Annotated[int, msgspec.Meta(ge=-types.MAX_NUMBER, le=types.MAX_NUMBER)]
Cell = _Text | _Number | bool | None
Row = Annotated[dict[_Key, Cell], msgspec.Meta(max_length=types.MAX_FACTS)]
Fact = Cell | Annotated[list[Row], msgspec.Meta(max_length=types.MAX_ROWS)]


class ReasonData(msgspec.Struct, frozen=True, gc=False):
    code: str
    parameters: Annotated[dict[_Key, _Text | _Number], msgspec.Meta(max_length=types.MAX_PARAMETERS)] = {}


class CheckData(msgspec.Struct, frozen=True, gc=False):
    """As `schemas.events.CheckStatus`."""

    check: str
    verdict: Literal["clear", "blocked"]
    reasons: Annotated[list[ReasonData], msgspec.Meta(max_length=types.MAX_REASONS)] = []
    facts: Annotated[dict[_Key, Fact], msgspec.Meta(max_length=types.MAX_FACTS)] = {}


class StatusData(msgspec.Struct, frozen=True, gc=False):
    """As `schemas.events.StatusChanged`."""

    student_id: str
    department: str
    version: Annotated[int, msgspec.Meta(ge=1, le=types.MAX_VERSION)]
    occurred_at: datetime
    cause: ReasonData
    checks: Annotated[list[CheckData], msgspec.Meta(min_length=1, max_length=types.MAX_CHECKS)]


_Attribute = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class _Document(msgspec.Struct, frozen=True, gc=False):
    """As `schemas.codec.encode` writes it. `time` stays text: there it is written in another form than in `data`."""

    specversion: Literal["1.0"]
    id: _Attribute
    source: _Attribute
    type: Literal["lixiao.status-changed.v1"]
    time: str
    datacontenttype: Literal["application/json"]
    data: StatusData


_documents: Final = msgspec.json.Decoder(_Document)
_decoder: Final = msgspec.json.Decoder(StatusData)
_encoder: Final = msgspec.json.Encoder()
_encode: Final = _encoder.encode
_DATA: Final = b'"data":'
_is_name: Final = re.compile(types.NAME_PATTERN[1:-1]).fullmatch

_MAX_VALID: Final = 4096
_valid_names: Final[set[str]] = set()
"""Bounded, because any producer chooses names."""


def decode_status(data: bytes) -> StatusData:
    """Raises `ValueError` or `RecursionError`; the message may quote a value."""
    status = _decoder.decode(data)
    _validate([status])
    return status


def decode_canonical(values: Sequence[bytes], lines: bytes) -> tuple[list[StatusData], list[bytes], list[str]] | None:
    """Of documents that are byte for byte as our encoder writes them, in UTC: the statuses, the JSON texts of their
    data, and each `occurred_at` as text.

    None if one is not, or is invalid: the long way finds out which. `lines`: the same, with a break after each.
    """
    try:
        documents = _documents.decode_lines(lines)
        statuses = [document.data for document in documents]
        _validate(statuses)
    except (ValueError, RecursionError):
        return None
    # As many breaks as documents are those between them, so each line is one of `values`.
    if lines.count(b"\n") != len(values) or _encoder.encode_lines(documents) != lines:
        return None
    instants = _utc_instants([status.occurred_at for status in statuses])
    times = [document.time for document in documents]
    if instants is None or (times != instants and not all(map(_is_instant, times))):
        # A status that is published again has the time of that.
        return None
    # In a JSON string each quotation mark is escaped, so that this is the member.
    return statuses, [value[value.index(_DATA) + len(_DATA) : -1] for value in values], instants


def _utc_instants(instants: list[datetime]) -> list[str] | None:
    """As `datetime.isoformat` writes them; None if one is not in UTC."""
    written = _encode(instants)
    if written.count(b'Z"') != len(instants):
        return None
    return written[2:-2].replace(b"Z", b"+00:00").decode().split('","')


def _is_instant(text: str) -> bool:
    """As `datetime.isoformat` writes one, and as the envelope's own decoder reads it: no seconds in the offset."""
    try:
        at = msgspec.convert(text, datetime)
    except ValueError:
        return False
    return at.tzinfo is not None and at.isoformat() == text


def _validate(statuses: Sequence[StatusData]) -> None:
    ids = [status.student_id for status in statuses]
    together, lengths = "".join(ids), {*map(len, ids)}
    plain = together.isascii() and together.isalnum() and together == together.upper()
    if not (plain and min(lengths) >= 3 and max(lengths) <= 32) and not all(map(is_canonical_student_id, ids)):
        raise ValueError("student_id: not of the pattern of a student id, in upper case")
    for status in statuses:
        occurred_at = status.occurred_at
        if occurred_at.tzinfo is None or not 2000 <= occurred_at.year <= 2999:
            raise ValueError("occurred_at: an offset from UTC is needed, and a year from 2000 to 2999")
    _validate_names({status.department for status in statuses}, "department")
    _validate_names({status.cause.code for status in statuses}, "cause.code")
    checks = [check for status in statuses for check in status.checks]
    _validate_names({check.check for check in checks}, "checks.check")
    _validate_names({reason.code for check in checks for reason in check.reasons}, "checks.reasons.code")
    for status in statuses:
        named = status.checks
        if len(named) == 2:
            unique = named[0].check != named[1].check
        else:
            unique = len(named) == 1 or len({check.check for check in named}) == len(named)
        if not unique:
            raise ValueError("checks: a check is named twice, and which verdict holds is ambiguous")


def is_canonical(status: StatusData, data: bytes) -> bool:
    """Whether `data` is byte for byte as our encoder writes `status`."""
    return _encode(status) == data


def _validate_names(names: Iterable[str], field: str) -> None:
    for name in names:
        if name in _valid_names:
            continue
        if not _is_name(name):
            raise ValueError(f"{field}: not of the pattern of a name")
        if len(_valid_names) < _MAX_VALID:
            _valid_names.add(name)
