"""What could not be read, as an operator deals with it: look, read it again with today's code, or put it away."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from aiokafka import ConsumerRecord
from asyncpg import Record

from services.kit.audit import log
from services.kit.messaging.dead_letters import ApplyBatch
from services.kit.postgres.pool import Connection

MOST_A_PAGE: Final = 200
_COLUMNS: Final = (
    'id, consumer, topic, partition, "offset", reason, parked_at, ended_at, ended_how, ended_by, ended_why,'
    " length(value) AS bytes"
)


class DeadLetterClosed(Exception):
    """There is no open dead letter with this id: none at all, or it was ended before."""


class StillUnreadable(Exception):
    """Today's code cannot read it either. The text is its reason."""


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A parked record without its content: nothing here is personal data."""

    id: int
    consumer: str
    topic: str
    partition: int
    offset: int
    reason: str
    bytes: int | None
    parked_at: datetime
    ended_at: datetime | None
    ended_how: Literal["replayed", "discarded"] | None
    ended_by: str | None
    ended_why: str | None


@dataclass(frozen=True, slots=True)
class DeadLetterContent:
    """What the record held. Personal data, most likely: for the operator's eyes, never for a log."""

    letter: StoredDeadLetter
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


async def _nothing(_: Connection, __: ConsumerRecord) -> None: ...


@dataclass(frozen=True, slots=True)
class ReplayHandler:
    """How the records of one consumer are read again: its own `apply`, and what follows when a letter is ended."""

    apply: ApplyBatch
    ended: Callable[[Connection, ConsumerRecord], Awaitable[None]] = _nothing
    committed: Callable[[], None] = field(default=lambda: None)


async def page(
    connection: Connection, *, ended: bool = False, after: int = 0, limit: int = 50
) -> tuple[list[StoredDeadLetter], int | None]:
    """Letters by id, and the `after` of the next page if there is one."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM dead_letter WHERE id > $1 AND (ended_at IS NOT NULL) = $2 ORDER BY id LIMIT $3",
        after,
        ended,
        min(limit, MOST_A_PAGE) + 1,
    )
    letters = [_letter(row) for row in rows[: min(limit, MOST_A_PAGE)]]
    return letters, letters[-1].id if len(rows) > len(letters) else None


async def show(connection: Connection, letter_id: int) -> DeadLetterContent | None:
    """One letter with what it held."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS}, key, value, headers FROM dead_letter WHERE id = $1", letter_id)
    return row and DeadLetterContent(_letter(row), row["key"], row["value"], _headers(row["headers"]))


async def replay(connection: Connection, letter_id: int, readers: Mapping[str, ReplayHandler], *, by: str) -> None:
    """Read the record again at its own offset and apply it, in one transaction. Raises `NotOpen`, `StillUnreadable`."""
    async with connection.transaction():
        consumer, record = await _open(connection, letter_id)
        reader = readers.get(consumer)
        if reader is None:
            raise StillUnreadable("no consumer of this service has this name any more")
        dead_letters = await reader.apply(connection, [record])
        if dead_letters:
            raise StillUnreadable(dead_letters[0].reason)
        await _end(connection, letter_id, "replayed", by, None)
        await reader.ended(connection, record)
    reader.committed()


async def discard(
    connection: Connection, letter_id: int, readers: Mapping[str, ReplayHandler], *, by: str, why: str
) -> None:
    """Put the record away for good: it hides nothing any more, and reading it again never will. Raises `NotOpen`."""
    async with connection.transaction():
        consumer, record = await _open(connection, letter_id)
        await _end(connection, letter_id, "discarded", by, why)
        if consumer in readers:
            await readers[consumer].ended(connection, record)


async def _open(connection: Connection, letter_id: int) -> tuple[str, ConsumerRecord]:
    row = await connection.fetchrow(
        "SELECT * FROM dead_letter WHERE id = $1 AND ended_at IS NULL FOR UPDATE", letter_id
    )
    if row is None:
        raise DeadLetterClosed
    return row["consumer"], ConsumerRecord(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        timestamp=0,
        timestamp_type=0,
        key=row["key"],
        value=row["value"],
        checksum=None,
        serialized_key_size=len(row["key"] or b""),
        serialized_value_size=len(row["value"] or b""),
        headers=_headers(row["headers"]),
    )


async def _end(connection: Connection, letter_id: int, how: str, by: str, why: str | None) -> None:
    await connection.execute(
        "UPDATE dead_letter SET ended_at = $2, ended_how = $3, ended_by = $4, ended_why = $5 WHERE id = $1",
        letter_id,
        datetime.now(UTC),
        how,
        by,
        why,
    )
    await log.append_entry(
        connection, actor=by, act="dead-letter.end", outcome=how, details={"id": letter_id, "why": why}
    )


def _letter(row: Record) -> StoredDeadLetter:
    return StoredDeadLetter(**{name: row[name] for name in StoredDeadLetter.__dataclass_fields__})


def _headers(stored: Any) -> tuple[tuple[str, bytes | None], ...]:
    return tuple((name, None if text is None else bytes.fromhex(text)) for name, text in json.loads(stored))
