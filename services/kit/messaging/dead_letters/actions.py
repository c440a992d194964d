"""Inspect, replay or discard dead letters."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from aiokafka import ConsumerRecord
from asyncpg import Record

from schemas.student_ids import canonical_student_id
from services.kit.audit import log
from services.kit.messaging.dead_letters.store import ApplyBatch, refused_by_the_database
from services.kit.postgres.pool import Connection, refused_value

MAX_PAGE: Final = 200
_COLUMNS: Final = (
    'id, consumer, topic, partition, "offset", reason, parked_at AS stored_at, ended_at, ended_how, ended_by,'
    " ended_why, length(value) AS bytes"
)


class DeadLetterClosed(Exception):
    """No open dead letter has this id."""


class StillUnreadable(Exception):
    """The text is the reason."""


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """Without content: no personal data."""

    id: int
    consumer: str
    topic: str
    partition: int
    offset: int
    reason: str
    bytes: int | None
    stored_at: datetime
    ended_at: datetime | None
    ended_how: Literal["replayed", "discarded"] | None
    ended_by: str | None
    ended_why: str | None


@dataclass(frozen=True, slots=True)
class DeadLetterContent:
    """Personal data: never for a log."""

    dead_letter: StoredDeadLetter
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


async def _nothing(_: Connection, __: ConsumerRecord) -> None: ...


@dataclass(frozen=True, slots=True)
class ReplayHandler:
    apply: ApplyBatch
    closed: Callable[[Connection, ConsumerRecord], Awaitable[None]] = _nothing
    committed: Callable[[], None] = field(default=lambda: None)


async def page(
    connection: Connection, *, ended: bool = False, after: int = 0, limit: int = 50
) -> tuple[list[StoredDeadLetter], int | None]:
    """Ordered by id; with the next page's `after`."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM dead_letter WHERE id > $1 AND (ended_at IS NOT NULL) = $2 ORDER BY id LIMIT $3",
        after,
        ended,
        min(limit, MAX_PAGE) + 1,
    )
    found = [_stored(row) for row in rows[: min(limit, MAX_PAGE)]]
    return found, found[-1].id if len(rows) > len(found) else None


async def show(connection: Connection, dead_letter_id: int, *, by: str) -> DeadLetterContent | None:
    """Audited: it is about whom the record's key names."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS}, key, value, headers FROM dead_letter WHERE id = $1", dead_letter_id
    )
    if row is not None:
        student_id = canonical_student_id((row["key"] or b"").decode("utf-8", "replace"))
        await log.append_look_up(
            connection, actor=by, act="dead-letter.show", students=[student_id], dead_letter=dead_letter_id
        )
    return row and DeadLetterContent(_stored(row), row["key"], row["value"], _headers(row["headers"]))


async def replay(
    connection: Connection, dead_letter_id: int, handlers: Mapping[str, ReplayHandler], *, by: str
) -> None:
    """At its own offset. Raises `DeadLetterClosed`, `StillUnreadable`."""
    async with connection.transaction():
        consumer, record = await _lock_open(connection, dead_letter_id)
        handler = handlers.get(consumer)
        if handler is None:
            raise StillUnreadable("no consumer of this service has this name now")
        try:
            dead_letters = await handler.apply(connection, [record])
        except Exception as error:
            if not refused_value(error):
                raise
            raise StillUnreadable(refused_by_the_database(type(error).__name__)) from error
        if dead_letters:
            raise StillUnreadable(dead_letters[0].reason)
        await _close(connection, dead_letter_id, "replayed", by, None)
        await handler.closed(connection, record)
    handler.committed()


async def discard(
    connection: Connection, dead_letter_id: int, handlers: Mapping[str, ReplayHandler], *, by: str, why: str
) -> None:
    """Unapplied; its item becomes readable again. Raises `DeadLetterClosed`."""
    async with connection.transaction():
        consumer, record = await _lock_open(connection, dead_letter_id)
        await _close(connection, dead_letter_id, "discarded", by, why)
        if consumer in handlers:
            await handlers[consumer].closed(connection, record)


async def _lock_open(connection: Connection, dead_letter_id: int) -> tuple[str, ConsumerRecord]:
    row = await connection.fetchrow(
        "SELECT * FROM dead_letter WHERE id = $1 AND ended_at IS NULL FOR UPDATE", dead_letter_id
    )
    if row is None:
        raise DeadLetterClosed
    return row["consumer"], ConsumerRecord(
        topic=row["topic"],
        partition=row["partition"],
        offset=-1 if row["ended_log"] else row["offset"],
        timestamp=0,
        timestamp_type=0,
        key=row["key"],
        value=row["value"],
        checksum=None,
        serialized_key_size=len(row["key"] or b""),
        serialized_value_size=len(row["value"] or b""),
        headers=_headers(row["headers"]),
    )


async def _close(connection: Connection, dead_letter_id: int, how: str, by: str, why: str | None) -> None:
    await connection.execute(
        "UPDATE dead_letter SET ended_at = $2, ended_how = $3, ended_by = $4, ended_why = $5 WHERE id = $1",
        dead_letter_id,
        datetime.now(UTC),
        how,
        by,
        why,
    )
    await log.append_entry(
        connection, actor=by, act="dead-letter.end", outcome=how, details={"id": dead_letter_id, "why": why}
    )


def _stored(row: Record) -> StoredDeadLetter:
    return StoredDeadLetter(**{name: row[name] for name in StoredDeadLetter.__dataclass_fields__})


def _headers(stored: Any) -> tuple[tuple[str, bytes | None], ...]:
    return tuple((name, None if text is None else bytes.fromhex(text)) for name, text in json.loads(stored))
