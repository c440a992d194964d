"""Counts the living sessions, for the metrics."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.observability import metrics

EVERY_S: Final = 30.0
_LIVING: Final = """
SELECT count(*) FILTER (WHERE roles = '{}') AS student, count(*) FILTER (WHERE roles <> '{}') AS staff
FROM session WHERE expires_at > $1 AND seen_at > $2
"""


async def measure_sessions(pool: "asyncpg.Pool[Any]", idle: timedelta, *, every_s: float = EVERY_S) -> None:
    """Every instance shows the same."""
    while True:
        now = datetime.now(UTC)
        with suppress_instrumentation():
            counted = await pool.fetchrow(_LIVING, now, now - idle)
        for kind, count in (counted or {}).items():
            metrics.SESSIONS.set(count, {"kind": kind})
        await asyncio.sleep(every_s)
