"""Wire format: CloudEvents 1.0 in structured mode; binary mode is read too.

Each Kafka header costs Python more than decoding the body. Ambiguity (a repeated key, a fraction, an unusual instant)
is refused, not interpreted (decision 0017).
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NoReturn
from uuid import UUID

import msgspec
from pydantic import ValidationError

from schemas.events import EVENT_TYPES, TYPE_OF, Message, StatusChanged
from schemas.status_fast import StatusData as StatusData
from schemas.status_fast import decode_canonical, decode_status, is_canonical

CONTENT_TYPE: Final = "application/cloudevents+json"
MAX_EVENT_BYTES: Final = 256 * 1024
MAX_DIGITS: Final = 400
"""Of a number with a fraction or an exponent."""

Headers = Iterable[tuple[str, bytes | None]]
TOMBSTONE_HEADERS: Final = (("ce_specversion", b"1.0"), ("ce_type", b"lixiao.student-forgotten.v1"))
"""Of a record without a value that forgets its key. Without them an empty record is a mistake, and unreadable."""
_Attribute = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_FIELD: Final = re.compile(r"\[?[a-z][a-z_-]{0,62}\]?")
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""Not the six characters that a text may show: their backslash is escaped by another."""
_VALUE_IN_MESSAGE: Final = re.compile(r"Invalid enum value .*?(?= - at|$)", re.DOTALL)


class Unreadable(ValueError):
    """The record is invalid, a retry cannot help. The text names a field and a rule, never a value."""


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """CloudEvents 1.0. `data` is JSON, not yet decoded."""

    specversion: Literal["1.0"]
    id: _Attribute
    source: _Attribute
    type: _Attribute
    data: msgspec.Raw
    time: datetime | None = None
    datacontenttype: str = "application/json"


_OWN_HEADERS: Final = frozenset({"content-type", "traceparent"})
_BINARY_PREFIXES: Final = frozenset({"ce_", "Ce_", "cE_", "CE_"})
_envelopes: Final = msgspec.json.Decoder(Envelope)


def encode(event: Message, *, event_id: UUID, source: str, time: datetime) -> bytes:
    """Raises `ValueError` for more than `MAX_EVENT_BYTES` and for a NUL character."""
    head = {
        "specversion": "1.0",
        "id": str(event_id),
        "source": source,
        "type": TYPE_OF[type(event)],
        "time": time.isoformat(),
        "datacontenttype": "application/json",
    }
    opening = json.dumps(head, separators=(",", ":"))[:-1]
    document = f'{opening},"data":{event.model_dump_json()}}}'.encode()
    if len(document) > MAX_EVENT_BYTES:
        raise ValueError(f"an event has at most {MAX_EVENT_BYTES} bytes")
    if _holds_nul(document):
        raise ValueError("an event holds no NUL character: databases cannot store one")
    return document


def _holds_nul(document: bytes) -> bool:
    return b"\\u0000" in document and _NUL.search(document) is not None


def is_tombstone(value: bytes | None, headers: Headers) -> bool:
    return value is None and TOMBSTONE_HEADERS[1] in headers


def open_envelope(value: bytes | None, headers: Headers = ()) -> Envelope:
    """Structured or binary mode. Raises `Unreadable`."""
    if value is None:
        raise Unreadable("the record has no value, and is no tombstone of ours")
    if len(value) > MAX_EVENT_BYTES:
        raise Unreadable(f"the record has more than {MAX_EVENT_BYTES} bytes")
    if b"\\" in value and _holds_nul(value):
        raise Unreadable("the record holds a NUL character: databases cannot store one")
    headers = tuple(headers)
    try:
        for name, _ in headers:
            if name not in _OWN_HEADERS and name[:3] in _BINARY_PREFIXES:
                return _open_by_headers(value, headers)
        return _envelopes.decode(value)
    except (ValueError, RecursionError) as error:
        _refuse("not a CloudEvents 1.0 document", error)


def _open_by_headers(value: bytes, headers: Headers) -> Envelope:
    """CloudEvents Kafka binding: the content type selects the mode."""
    texts = {name.lower(): (text or b"").decode("utf-8") for name, text in headers}
    if texts.get("content-type", "").lower().startswith("application/cloudevents"):
        return _envelopes.decode(value)
    attributes = {name[3:]: text for name, text in texts.items() if name.startswith("ce_")}
    return msgspec.convert({**attributes, "data": msgspec.Raw(value)}, Envelope, strict=False)


def read(value: bytes | None, headers: Headers = ()) -> Message:
    """Raises `Unreadable`."""
    envelope = open_envelope(value, headers)
    model = EVENT_TYPES.get(envelope.type)
    if model is None:
        raise Unreadable(f"unknown event type {envelope.type[:80]!r}")
    return _validated(model, value or b"", bytes(envelope.data))


def read_canonical_statuses(
    values: Sequence[bytes], headers: Iterable[Headers]
) -> tuple[list[StatusData], list[bytes], list[str]] | None:
    """The statuses, the JSON texts of their data, and each `occurred_at` as text; None if one is not byte for byte as
    `encode` writes a status.

    What it accepts, `open_envelope` and `read_status` accept as well, and read the same.
    """
    if max(map(len, values)) > MAX_EVENT_BYTES:
        return None
    names = {name for each in headers for name, _ in each}
    if not names <= _OWN_HEADERS and any(name[:3] in _BINARY_PREFIXES for name in names):
        return None
    lines = b"\n".join((*values, b""))
    if b"\\u0000" in lines:
        return None
    return decode_canonical(values, lines)


def read_status(value: bytes, envelope: Envelope) -> StatusData:
    """Raises `Unreadable`. `envelope` is `open_envelope(value)`.

    Only documents byte for byte as our encoder writes them skip the model, so both paths accept the same documents.
    """
    data = bytes(envelope.data)
    try:
        status = decode_status(data)
    except (ValueError, RecursionError) as error:
        _refuse("not a status", error)
    if not (is_canonical(status, data) and (_has_canonical_head(envelope, value, data) or value == data)):
        _validated(StatusChanged, value, data)
    return status


def _has_canonical_head(envelope: Envelope, value: bytes, data: bytes) -> bool:
    """Exactly the seven known members, once each, precede `data`, and nothing follows it.

    They have 13 strings: 26 quotation marks leave none for another member.
    """
    head = value[: -len(data) - 1]
    return (
        envelope.time is not None
        and head.count(b'"') == 2 * 13
        and b'"datacontenttype":"' in head
        and value.startswith(data, len(head))
        and value.endswith(b"}")
    )


def _validated(model: type[Message], value: bytes, data: bytes) -> Message:
    _refuse_repeated_keys(value)
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise Unreadable(f"{_place(first['loc'])[:200]}: {first['msg']}"[:400]) from None


def _place(parts: Iterable[int | str]) -> str:
    """A member's name is the sender's choice, and may be a student's number: shown if it looks like one of a field."""
    return ".".join(str(part) if isinstance(part, int) or _FIELD.fullmatch(part) else "…" for part in parts)


def _refuse_repeated_keys(value: bytes) -> None:
    """Two readers may see two verdicts. Costly: canonical documents skip it."""
    try:
        text = value.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_storable)
        if "\\u" in text:
            # Half of a surrogate pair: text that no database stores.
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        _refuse("ambiguous", error)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        raise ValueError("a key is repeated in one object: what it means is ambiguous")
    return seen


def _no_number(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _storable(text: str) -> float:
    """Also in fields we ignore, which are stored with the rest: no database has such digits."""
    exponent = text.lower().partition("e")[2]
    if len(text) > MAX_DIGITS or abs(int(exponent or 0)) > MAX_DIGITS:
        raise ValueError("a number has too many digits")
    return float(text)


def _refuse(what: str, error: Exception) -> NoReturn:
    """Without the value that some decoder messages quote."""
    message = "bytes that are not UTF-8" if isinstance(error, UnicodeError) else str(error)
    raise Unreadable(f"{what}: {_VALUE_IN_MESSAGE.sub('a value outside the enumeration', message)}"[:400]) from None
