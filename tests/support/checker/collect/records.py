"""Kafka's records as the checker takes them."""

from collections.abc import Iterable, Sequence
from typing import Any

from schemas.codec import Unreadable, open_envelope, read
from tests.support.checker.evidence.evidence import Record


def records_of(found: Iterable[Any]) -> tuple[Record, ...]:
    return tuple(record_of(one.topic, one.partition, one.offset, one.key, one.value) for one in found)


def record_of(topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None) -> Record:
    """One record; without an event when it cannot be read."""
    event_id, event = "", None
    try:
        event_id = str(open_envelope(value).id)
        event = read(value)
    except Unreadable:
        pass
    return Record(topic, partition, offset, (key or b"").decode("utf-8", "replace"), value or b"", event_id, event)


def forged_ids(values: Sequence[bytes]) -> frozenset[str]:
    """The ids of events that a test made itself."""
    return frozenset(str(open_envelope(value).id) for value in values)
