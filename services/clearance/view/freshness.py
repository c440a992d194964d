"""Metric: age of each department's oldest alive mark."""

import asyncio
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.observability import metrics

EVERY_S: Final = 5.0

# A department is as fresh as its stalest partition: a student's status comes through one of them.
_OLDEST: Final = "SELECT department, min(alive_as_of) AS alive_as_of FROM source GROUP BY department"


async def watch(pool: "asyncpg.Pool[Any]", *, every_s: float = EVERY_S) -> None:
    """Runs until cancelled. The age also grows while the database is unavailable."""
    while True:
        with suppress_instrumentation():
            rows = await pool.fetch(_OLDEST)
        for row in rows:
            metrics.SOURCE_FRESHNESS.set_oldest(row["alive_as_of"], department=row["department"])
        await asyncio.sleep(every_s)
