"""Events on the wire: CloudEvents 1.0, structured mode, one JSON document; binary mode is read too.

Structured mode because each Kafka header costs Python more than decoding the whole body does, and because a document
can be read in any Kafka tool. The only headers written are `content-type` and `traceparent`.

Whatever the bytes, reading ends in an event or in `Unreadable`. Two readers must never see two verdicts in one
document: a repeated key, a fraction, another spelling of an instant are refused, not interpreted.
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NoReturn
from uuid import UUID

import msgspec
from pydantic import ValidationError

from schemas.events import EVENT_TYPES, TYPE_OF, Message, StatusChanged
from schemas.status_fast import StatusData as StatusData
from schemas.status_fast import decode_status, is_own_spelling

CONTENT_TYPE: Final = "application/cloudevents+json"
MAX_EVENT_BYTES: Final = 256 * 1024
"""A document beyond this is unreadable, and is not written in the first place."""

Headers = Iterable[tuple[str, bytes | None]]
_Attribute = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_VALUE_IN_MESSAGE: Final = re.compile(r"Invalid enum value .*?(?= - at|$)", re.DOTALL)


class Unreadable(ValueError):
    """The message itself is at fault and no retry helps. The text names the field and the rule, never a value."""


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A CloudEvents 1.0 envelope. `data` is the undecoded JSON of the event."""

    specversion: Literal["1.0"]
    id: _Attribute
    source: _Attribute
    type: _Attribute
    data: msgspec.Raw
    time: datetime | None = None
    datacontenttype: str = "application/json"


_OURS: Final = frozenset({"content-type", "traceparent"})
_BINARY_PREFIXES: Final = frozenset({"ce_", "Ce_", "cE_", "CE_"})
_envelopes: Final = msgspec.json.Decoder(Envelope)


def encode(event: Message, *, event_id: UUID, source: str, time: datetime) -> bytes:
    """The structured-mode document of `event`. `source` is the producer, for example `/lixiao/library`.

    Raises `ValueError` for what no reader would accept: more than `MAX_EVENT_BYTES`, or a NUL character.
    """
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
    if b"\\u0000" in document:
        raise ValueError("an event holds no NUL character: databases cannot store one")
    return document


def open_envelope(value: bytes | None, headers: Headers = ()) -> Envelope:
    """The envelope of a record in either mode. Raises `Unreadable`."""
    if value is None:
        raise Unreadable("the record has no value: a tombstone says nothing about a student")
    if len(value) > MAX_EVENT_BYTES:
        raise Unreadable(f"the record has more than {MAX_EVENT_BYTES} bytes")
    if b"\\" in value and b"\\u0000" in value:
        raise Unreadable("the record holds a NUL character: databases cannot store one")
    headers = tuple(headers)
    try:
        for name, _ in headers:
            if name not in _OURS and name[:3] in _BINARY_PREFIXES:
                return _in_either_mode(value, headers)
        return _envelopes.decode(value)
    except (ValueError, RecursionError) as error:
        _refuse("not a CloudEvents 1.0 document", error)


def _in_either_mode(value: bytes, headers: Headers) -> Envelope:
    """As the CloudEvents binding for Kafka has it: the content type decides, then the attributes in headers."""
    texts = {name.lower(): (text or b"").decode("utf-8") for name, text in headers}
    if texts.get("content-type", "").lower().startswith("application/cloudevents"):
        return _envelopes.decode(value)
    attributes = {name[3:]: text for name, text in texts.items() if name.startswith("ce_")}
    return msgspec.convert({**attributes, "data": msgspec.Raw(value)}, Envelope, strict=False)


def read(value: bytes | None, headers: Headers = ()) -> Message:
    """Decode and validate any event of the contract. Raises `Unreadable`."""
    envelope = open_envelope(value, headers)
    model = EVENT_TYPES.get(envelope.type)
    if model is None:
        raise Unreadable(f"unknown event type {envelope.type[:80]!r}")
    return _validated(model, value or b"", bytes(envelope.data))


def read_status(value: bytes, envelope: Envelope) -> StatusData:
    """Decode and validate the data of a `StatusChanged` on the hot path. Raises `Unreadable`.

    `value` is the record's value and `envelope` what `open_envelope` made of it. A document in our own writer's
    spelling is judged by the twin of the model alone; any other spelling by the model too, so that a repeated key or
    a lax reading cannot pass here and fail there.
    """
    data = bytes(envelope.data)
    try:
        status = decode_status(data)
    except (ValueError, RecursionError) as error:
        _refuse("not a status", error)
    if not (is_own_spelling(status, data) and (_is_own_head(envelope, value, data) or value == data)):
        _validated(StatusChanged, value, data)
    return status


def _is_own_head(envelope: Envelope, value: bytes, data: bytes) -> bool:
    """Whether nothing but the seven known members, once each, stands in front of `data`, and nothing behind it.

    Six members are required (`time` was found too): with `datacontenttype`, their names and values in front of `data`
    are 13 strings, so that no quote is left for a repeated or unknown one.
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
        raise Unreadable(f"{'.'.join(map(str, first['loc']))[:200]}: {first['msg']}"[:400]) from None


def _refuse_repeated_keys(value: bytes) -> None:
    """A repeated key means two readers may see two verdicts. The hot path comes here only on suspicion."""
    try:
        json.loads(value.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        _refuse("not readable in one way only", error)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        raise ValueError("a key is repeated in one object: what it means is ambiguous")
    return seen


def _no_number(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _refuse(what: str, error: Exception) -> NoReturn:
    """`Unreadable` with the reader's own words, but without the value some of them quote."""
    said = "bytes that are not UTF-8" if isinstance(error, UnicodeError) else str(error)
    raise Unreadable(f"{what}: {_VALUE_IN_MESSAGE.sub('a value outside the enumeration', said)}"[:400]) from None
