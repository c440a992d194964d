"""Outbox depth and age, measured apart from the relay, which may hang."""

import asyncio
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.observability import metrics

EVERY_S: Final = 5.0
MAX_COUNTED: Final = 100_000
"""Limits the cost of counting a deep outbox."""

DEPTH: Final = "SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS unsent"
"""Of unsent rows, counted up to `$1`."""
_OLDEST: Final = "SELECT created_at FROM outbox ORDER BY id LIMIT 1"


async def measure_outbox(pool: "asyncpg.Pool[Any]", name: str, *, every_s: float = EVERY_S) -> None:
    """Rows count until deleted."""
    while True:
        with suppress_instrumentation():
            depth, oldest = await pool.fetchval(DEPTH, MAX_COUNTED), await pool.fetchval(_OLDEST)
        metrics.OUTBOX_DEPTH.set(depth, {"outbox": name})
        metrics.OUTBOX_AGE.set_oldest(oldest, outbox=name)
        await asyncio.sleep(every_s)
