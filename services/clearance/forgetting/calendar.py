"""Forgets finished departures by itself, once as long ago as a setting says."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.clearance.approvals.actions import ActionRefused
from services.clearance.forgetting.forget import Decided, Forgetting
from services.clearance.roster.case_store import SOURCE
from services.kit.messaging.outbox import Wakeup

EVERY_S: Final = 3600.0
_PAUSE_S: Final = 0.02
"""Forgetting one reads whole tables: the others at the database go first."""
# A hand-over may be long after the case's last change.
_NEXT: Final = """
SELECT student_id FROM student_case
WHERE student_id > $1 AND changed_at < $2 AND joined_to IS NULL AND state <> 'open' AND NOT EXISTS (
    SELECT FROM submission JOIN issue USING (attempt_id)
    WHERE submission.student_id = student_case.student_id AND issued_at >= $2)
ORDER BY student_id LIMIT 1
"""
_log = structlog.get_logger(__name__)


class CalendarForgetting:
    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        forgetting: Forgetting,
        wakeup: Wakeup,
        *,
        after_days: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool, self._forgetting, self._wakeup = pool, forgetting, wakeup
        self._after = timedelta(days=after_days)
        self._decided = Decided(SOURCE, f"finished {after_days} days ago")
        self._clock = clock

    async def run(self) -> None:
        while True:
            with suppress_instrumentation():
                await self.once()
            await asyncio.sleep(EVERY_S)

    async def once(self) -> int:
        """How many students were forgotten."""
        before, last, count = self._clock() - self._after, "", 0
        while (student_id := await self._pool.fetchval(_NEXT, last, before)) is not None:
            last = student_id
            count += await self._forget(student_id)
            await asyncio.sleep(_PAUSE_S)
        if count:
            self._wakeup.notify()
            _log.info("students.erased", count=count)
        return count

    async def _forget(self, student_id: str) -> bool:
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await self._forgetting.forget(connection, student_id, self._decided)
        except ActionRefused:
            # Not finished: two persons may decide on it.
            return False
        return True
