"""Events on the wire: CloudEvents 1.0, structured mode, one JSON document; binary mode is read too.

Structured mode because each Kafka header costs Python more than decoding the whole body does, and because a document
can be read in any Kafka tool. The only headers written are `content-type` and `traceparent`.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from pydantic import ValidationError

from schemas.events import EVENT_TYPES, MAX_VERSION, TYPE_OF, Message

CONTENT_TYPE: Final = "application/cloudevents+json"
Headers = Iterable[tuple[str, bytes | None]]


class Unreadable(ValueError):
    """The message itself is at fault and no retry helps. The text names the field and the rule, never a value."""


class Envelope(msgspec.Struct, frozen=True):
    """A CloudEvents 1.0 envelope. `data` is the undecoded JSON of the event."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    data: msgspec.Raw
    time: datetime | None = None
    datacontenttype: str = "application/json"


class CheckData(msgspec.Struct, frozen=True):
    """The hot-path twin of `CheckStatus`; what it leaves undecoded is stored as it came."""

    check: str
    verdict: Literal["clear", "blocked"]
    reasons: list["ReasonData"] = []
    facts: dict[str, msgspec.Raw] = {}


class ReasonData(msgspec.Struct, frozen=True):
    code: str
    parameters: dict[str, str | int] = {}


class StatusData(msgspec.Struct, frozen=True):
    """The hot-path twin of `StatusChanged`, a sixth of its cost. A contract test holds the two to one verdict."""

    student_id: str
    department: str
    version: int
    occurred_at: datetime
    cause: ReasonData
    checks: list[CheckData]


_envelopes: Final = msgspec.json.Decoder(Envelope)
_statuses: Final = msgspec.json.Decoder(StatusData)
_STATUS_KEYS: Final = (b'"student_id":', b'"department":', b'"version":', b'"occurred_at":', b'"checks":', b'"data":')


def encode(event: Message, *, event_id: UUID, source: str, time: datetime) -> bytes:
    """The structured-mode document of `event`. `source` is the producer, for example `/lixiao/library`."""
    head = {
        "specversion": "1.0",
        "id": str(event_id),
        "source": source,
        "type": TYPE_OF[type(event)],
        "time": time.isoformat(),
        "datacontenttype": "application/json",
    }
    document = json.dumps(head, separators=(",", ":"))
    return f'{document[:-1]},"data":{event.model_dump_json()}}}'.encode()


def open_envelope(value: bytes | None, headers: Headers = ()) -> Envelope:
    """The envelope of a record in either mode. Raises `Unreadable`."""
    if value is None:
        raise Unreadable("the record has no value: a tombstone says nothing about a student")
    known = {name.lower(): text for name, text in headers if name.lower().startswith("ce_")}
    try:
        if known:
            return _binary(value, known)
        return _envelopes.decode(value)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not a CloudEvents 1.0 document: {error}") from None


def _binary(value: bytes, headers: dict[str, bytes | None]) -> Envelope:
    attributes = {name[3:]: (text or b"").decode("utf-8") for name, text in headers.items()}
    return msgspec.convert({**attributes, "data": msgspec.Raw(value)}, Envelope, strict=False)


def read(value: bytes | None, headers: Headers = ()) -> Message:
    """Decode and validate any event of the contract. Raises `Unreadable`."""
    envelope = open_envelope(value, headers)
    model = EVENT_TYPES.get(envelope.type)
    if model is None:
        raise Unreadable(f"unknown event type {envelope.type[:80]!r}")
    _refuse_repeated_keys(value or b"")
    try:
        return model.model_validate_json(bytes(envelope.data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise Unreadable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def read_status(value: bytes, envelope: Envelope) -> StatusData:
    """Decode and validate the data of a `StatusChanged` on the hot path. Raises `Unreadable`."""
    try:
        status = _statuses.decode(envelope.data)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise Unreadable(f"not a status: {error}") from None
    if not 1 <= status.version <= MAX_VERSION:
        raise Unreadable("version: outside 1 to 2147483647")
    if not 1 <= len(status.checks) <= 16 or status.occurred_at.tzinfo is None:
        raise Unreadable("checks: 1 to 16 are needed, and occurred_at needs its offset from UTC")
    once = all(value.count(key) == 1 for key in _STATUS_KEYS[:5])
    if not once or value.count(b'"verdict":') != len(status.checks):
        _refuse_repeated_keys(value)
    return status


def _refuse_repeated_keys(value: bytes) -> None:
    """A repeated key means two readers may see two verdicts. The hot path comes here only on suspicion."""
    try:
        json.loads(value, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)[:200]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        raise ValueError("a key is repeated in one object: what it means is ambiguous")
    return seen
