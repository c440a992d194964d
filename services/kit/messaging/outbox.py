"""Saying something to the other services: a row in the caller's own transaction, so that both happen or neither."""

import asyncio
from datetime import datetime
from uuid import uuid4

from schemas.codec import encode
from schemas.events import Message
from services.kit.observability.telemetry import current_traceparent
from services.kit.postgres.pool import Connection


class Wakeup:
    """Wakes the relay of this process after a commit; the relay's polling is the net for every other case."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout_s: float) -> bool:
        """Whether it was rung within `timeout_s`."""
        try:
            await asyncio.wait_for(self._rung.wait(), timeout_s)
        except TimeoutError:
            return False
        self._rung.clear()
        return True


async def append(connection: Connection, *, topic: str, key: str, event: Message, source: str, now: datetime) -> None:
    """Append `event` to the outbox inside the transaction open on `connection`.

    `key` is the student id, `source` the producer (`/lixiao/library`). The trace the caller is in travels with the row.
    """
    value = encode(event, event_id=uuid4(), source=source, time=now)
    await connection.execute(
        "INSERT INTO outbox (topic, key, value, traceparent) VALUES ($1, $2, $3, $4)",
        topic,
        key.encode(),
        value,
        current_traceparent(),
    )
