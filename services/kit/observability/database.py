"""The service's own database in PostgreSQL's figures, as far as its role may see them: no exporter is needed."""

import asyncio
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.observability import metrics

EVERY_S: Final = 10.0

_FIGURES: Final = """
SELECT counted.xact_commit, counted.xact_rollback, counted.deadlocks, counted.blks_hit, counted.blks_read,
  counted.active_time, counted.numbackends, pg_database_size(counted.datid) AS size, own.waiting, own.oldest_s
FROM pg_stat_database AS counted, (
  SELECT count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting,
    coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 AS oldest_s
  FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
) AS own
WHERE counted.datname = current_database()
"""
"""Of other roles' sessions PostgreSQL shows that they are there, and no more."""


async def measure_database(pool: "asyncpg.Pool[Any]", name: str, *, every_s: float = EVERY_S) -> None:
    while True:
        metrics.DATABASE_ANSWER.ask(database=name)
        with suppress_instrumentation():
            figures = await pool.fetchrow(_FIGURES)
        metrics.DATABASE_ANSWER.answered(database=name)
        if figures is not None:
            _set(figures, name)
        await asyncio.sleep(every_s)


def _set(figures: "asyncpg.Record", name: str) -> None:
    metrics.DATABASE_TRANSACTIONS.set(figures["xact_commit"], database=name, outcome="committed")
    metrics.DATABASE_TRANSACTIONS.set(figures["xact_rollback"], database=name, outcome="rolled-back")
    metrics.DATABASE_ACTIVE.set(figures["active_time"] / 1000, database=name)
    metrics.DATABASE_BLOCKS.set(figures["blks_hit"], database=name, found="memory")
    metrics.DATABASE_BLOCKS.set(figures["blks_read"], database=name, found="file")
    metrics.DATABASE_DEADLOCKS.set(figures["deadlocks"], database=name)
    labels = {"database": name}
    metrics.DATABASE_SESSIONS.set(figures["numbackends"], labels)
    metrics.DATABASE_WAITING.set(figures["waiting"], labels)
    metrics.DATABASE_OLDEST_TRANSACTION.set(figures["oldest_s"], labels)
    metrics.DATABASE_SIZE.set(figures["size"], labels)
