"""Ends expired attempts. Every instance sweeps; the row lock decides which one ends an attempt."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.clearance.notify import notify
from services.clearance.submission.attempts import attempt_store, waiting_attestations
from services.clearance.submission.round.handlers import Submissions
from services.kit.messaging.outbox import Wakeup
from services.kit.runtime.failpoints import failpoint

SWEEP_EVERY_S: Final = 1.0
DELETE_EVERY_S: Final = 60.0
"""Attestations that nobody has asked for within a day."""
MAX_PER_SWEEP: Final = 100


async def always() -> bool:
    return True


class AttemptSweeper:
    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        submissions: Submissions,
        wakeup: Wakeup,
        ends_known: Callable[[], Awaitable[bool]] = always,
    ) -> None:
        """`ends_known`: whether the database has every end that was published; a restored one has not at first."""
        self._pool, self._submissions, self._wakeup, self._ends_known = pool, submissions, wakeup, ends_known
        self._delete_at = 0.0

    async def run(self) -> None:
        """Runs until cancelled. Database errors propagate."""
        with suppress_instrumentation():
            while True:
                await self.sweep()
                await asyncio.sleep(SWEEP_EVERY_S)

    async def sweep(self) -> int:
        ended = 0
        async with self._pool.acquire() as connection:
            found = await attempt_store.expired(connection, MAX_PER_SWEEP)
            for attempt_id, student_id in found if found and await self._ends_known() else ():
                async with connection.transaction():
                    if await self._submissions.expire(connection, attempt_id, student_id):
                        await notify(connection)
                        ended += 1
                failpoint("expire.after_commit")
            if time.monotonic() >= self._delete_at:
                await waiting_attestations.delete_old(connection)
                self._delete_at = time.monotonic() + DELETE_EVERY_S
        if ended:
            self._wakeup.notify()
        return ended
