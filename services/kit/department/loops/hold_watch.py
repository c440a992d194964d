"""Measures the holds, asks about those that are overdue, and ends those whose attempt is over for certain."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.department.rounds.holds import Holds, hold_ages
from services.kit.department.tables import waiting_changes
from services.kit.observability import metrics

EVERY_S: Final = 5.0
WARN_AFTER_S: Final = 30.0
"""Overdue for longer than an end takes to arrive."""
_log = structlog.get_logger(__name__)


class HoldWatch:
    def __init__(self, pool: "asyncpg.Pool[Any]", department: str, holds: Holds) -> None:
        self._pool, self._department, self._holds = pool, department, holds
        self._overdue_at: float | None = None
        """By `time.monotonic()`."""
        metrics.HOLDS_LAPSED.add(0, {"department": department})

    async def run(self) -> None:
        while True:
            with suppress_instrumentation():
                await self.measure()
                await self._holds.ask()
                for attempt_id in await self._holds.end_lapsed():
                    metrics.HOLDS_LAPSED.add(1, {"department": self._department})
                    _log.error("hold.lapsed", department=self._department, attempt=str(attempt_id))
                async with self._pool.acquire() as connection:
                    await waiting_changes.delete_old(connection)
            await asyncio.sleep(EVERY_S)

    async def measure(self) -> None:
        async with self._pool.acquire() as connection:
            ages = await hold_ages(connection)
        self._overdue_at = None if ages.overdue_s is None else time.monotonic() - ages.overdue_s
        oldest = None if ages.oldest_s is None else datetime.now(UTC) - timedelta(seconds=ages.oldest_s)
        metrics.HOLD_AGE.set_oldest(oldest, department=self._department)

    async def warning(self) -> str | None:
        """It keeps the record of one student from a change; the department works."""
        overdue_s = 0.0 if self._overdue_at is None else time.monotonic() - self._overdue_at
        if overdue_s < WARN_AFTER_S:
            return None
        return f"a hold is overdue by {overdue_s:.0f} s: no end of its attempt has arrived; see `holds list`"
