"""Depth and age of an outbox, measured apart from the relay: they have to show when the relay hangs or cannot send."""

import asyncio
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.observability import metrics

EVERY_S: Final = 5.0
MAX_COUNTED: Final = 100_000
"""A deeper outbox shows as this deep: the count has to cost little when there is the most to do."""

_DEPTH: Final = "SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS unsent"
_OLDEST: Final = "SELECT created_at FROM outbox ORDER BY id LIMIT 1"


async def measure_outbox(pool: "asyncpg.Pool[Any]", name: str, *, every_s: float = EVERY_S) -> None:
    """Set the metrics of the outbox `name` every `every_s`, until cancelled. Raises what the database raises.

    A row counts until it is deleted, which follows its acknowledgement at once. Every instance of a service measures
    the same outbox.
    """
    while True:
        with suppress_instrumentation():
            depth, oldest = await pool.fetchval(_DEPTH, MAX_COUNTED), await pool.fetchval(_OLDEST)
        metrics.OUTBOX_DEPTH.set(depth, {"outbox": name})
        metrics.OUTBOX_AGE.set_oldest(oldest, outbox=name)
        await asyncio.sleep(every_s)
