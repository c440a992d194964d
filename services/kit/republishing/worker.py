"""Publishes again, batch by batch, what a request asks for; a crash repeats at most one batch.

It waits while the outbox is deep: what people do now is sent first.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from schemas.topics import PARTITIONS
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.outbox_metrics import DEPTH
from services.kit.messaging.relaying.producer import partition_of
from services.kit.postgres.pool import Connection
from services.kit.republishing import store
from services.kit.republishing.store import Republication, Taken

_AT_ONCE: Final = 100
"""Students of one transaction: its locks delay others by some tens of milliseconds."""
_CONSIDERED_AT_ONCE: Final = _AT_ONCE * PARTITIONS
DEEP_OUTBOX: Final = 2000
_POLL_S: Final = 1.0
_log = structlog.get_logger(__name__)


class Publisher(Protocol):
    """What a service publishes about a student. Methods take part in the caller's transaction."""

    students: tuple[str, str]
    """Table and column."""

    async def publish_again(self, connection: Connection, student_ids: Sequence[str]) -> tuple[int, int]:
        """How many of them were dealt with, at least the first, and how many published. `student_ids` ascend."""
        ...


class Republisher:
    """Any number may run: each works on another request."""

    def __init__(
        self, pool: "asyncpg.Pool[Any]", publisher: Publisher, wakeup: Wakeup, *, deep_outbox: int = DEEP_OUTBOX
    ) -> None:
        self._pool, self._publisher, self._wakeup, self._deep_outbox = pool, publisher, wakeup, deep_outbox

    async def run(self) -> None:
        while True:
            with suppress_instrumentation():
                while await self.batch():
                    pass
            await asyncio.sleep(_POLL_S)

    async def batch(self) -> bool:
        """False when there is nothing to do now."""
        async with self._pool.acquire() as connection:
            if not await store.waits(connection):
                return False
            async with connection.transaction():
                if await connection.fetchval(DEPTH, self._deep_outbox + 1) > self._deep_outbox:
                    return False
                taken = await store.take(connection)
                if taken is None:
                    return False
                finished = await self._batch_of(connection, taken)
        if finished is not None:
            _log.info(
                "republication.finished",
                republication=finished.republication_id,
                reason=finished.reason,
                considered=finished.considered,
                published=finished.published,
            )
        self._wakeup.notify()
        # Lets requests and imports go first.
        await asyncio.sleep(0)
        return True

    async def warning(self) -> str | None:
        """Readiness names what is not published again yet."""
        unfinished = await self._pool.fetchval("SELECT count(*) FROM republication WHERE finished_at IS NULL")
        return f"{unfinished} republications are not finished; see GET /republications" if unfinished else None

    async def _batch_of(self, connection: Connection, taken: Taken) -> Republication | None:
        """The request, if this was its end."""
        scope = taken.scope
        query = store.following(self._publisher.students, scope)
        limit = _AT_ONCE if scope.partition is None else _CONSIDERED_AT_ONCE
        found = [row["student_id"] for row in await connection.fetch(query, taken.done_to, limit, scope.student_ids)]
        if not found:
            return await store.finish(connection, taken)
        chosen = [one for one in found if scope.partition in (None, partition_of(one.encode(), PARTITIONS))][:_AT_ONCE]
        done, published = await self._publisher.publish_again(connection, chosen) if chosen else (0, 0)
        done_to = found[-1] if done == len(chosen) < _AT_ONCE else chosen[done - 1]
        await store.advance(connection, taken, done_to, considered=done, published=published)
        return None
