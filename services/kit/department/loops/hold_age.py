"""Age of the oldest hold, as a metric and a health probe."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.department.attestation import oldest_hold_s
from services.kit.observability import metrics

EVERY_S: Final = 5.0
OLD_AFTER_S: Final = 900.0
"""Longer than any attempt lives."""


class HoldAge:
    def __init__(self, pool: "asyncpg.Pool[Any]", department: str) -> None:
        self._pool, self._department = pool, department
        self._oldest_at: float | None = None
        """By `time.monotonic()`."""

    async def run(self) -> None:
        while True:
            with suppress_instrumentation():
                async with self._pool.acquire() as connection:
                    age_s = await oldest_hold_s(connection)
            self._oldest_at = None if age_s is None else time.monotonic() - age_s
            oldest = None if age_s is None else datetime.now(UTC) - timedelta(seconds=age_s)
            metrics.HOLD_AGE.set_oldest(oldest, department=self._department)
            await asyncio.sleep(EVERY_S)

    async def probe(self) -> str | None:
        """A hold whose attempt never ended blocks its record."""
        age_s = 0.0 if self._oldest_at is None else time.monotonic() - self._oldest_at
        if age_s < OLD_AFTER_S:
            return None
        return f"the oldest hold is {age_s:.0f} s old: no end of its attempt has arrived"
