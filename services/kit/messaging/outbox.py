"""Transactional outbox: append events in the caller's transaction; the relay sends them."""

import asyncio
from datetime import datetime
from typing import Final
from uuid import uuid4

from schemas.codec import encode
from schemas.events import Message
from services.kit.observability.telemetry import current_traceparent
from services.kit.postgres.pool import Connection


class Wakeup:
    def __init__(self) -> None:
        self._notified = asyncio.Event()

    def notify(self) -> None:
        self._notified.set()

    async def wait(self, timeout_s: float) -> bool:
        """Whether notified in time. Not by `wait_for`, which drops a cancellation that comes with a notification."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._notified.wait()
        except TimeoutError:
            return False
        self._notified.clear()
        return True


_written: Final = [0]


def written() -> int:
    """Rows made in this process so far. Unchanged around a transaction, it has none for the relay."""
    return _written[0]


async def append_tombstone(connection: Connection, *, topic: str, key: str) -> None:
    """Forgets what the topic holds under the key, once compaction has passed."""
    _written[0] += 1
    await connection.execute("INSERT INTO outbox (topic, key) VALUES ($1, $2)", topic, key.encode())


async def append(connection: Connection, *, topic: str, key: str, event: Message, source: str, now: datetime) -> None:
    """`key` is the student id, `source` the producer (`/lixiao/library`)."""
    statement = "INSERT INTO outbox (topic, key, value, traceparent) VALUES ($1, $2, $3, $4)"
    await connection.execute(statement, *columns(topic=topic, key=key, event=event, source=source, now=now))


Columns = tuple[str, bytes, bytes, str | None]
"""topic, key, value, traceparent."""


def columns(*, topic: str, key: str, event: Message, source: str, now: datetime) -> Columns:
    """For a statement that stores more than the event, in one round trip."""
    _written[0] += 1
    return topic, key.encode(), encode(event, event_id=uuid4(), source=source, time=now), current_traceparent()
