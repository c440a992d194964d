"""How fresh each department's statuses are: the age of its oldest alive mark, and what it has to publish again.

A lower version behind a higher one is an alarm: the department was restored from a backup, or two publish as one.
"""

import asyncio
from datetime import datetime
from typing import Any, Final

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.observability import metrics

EVERY_S: Final = 5.0

# A department is as fresh as its stalest partition: a student's status comes through one of them.
_OLDEST: Final = """
SELECT department, min(alive_as_of) AS alive_as_of, bool_or(lost_at IS NOT NULL) AS lost FROM source
GROUP BY department
"""
_UNCONFIRMED: Final = """
SELECT count(*) FROM status JOIN source
    ON source.department = status.department AND source.partition = status.source_partition
WHERE source.department = $1 AND status.version > 0 AND status.heard_at <= source.lost_at
"""
# Once nobody changes them: records may be lost again, after they were counted.
_LOCK: Final = "SELECT FROM source WHERE department = $1 ORDER BY partition FOR UPDATE"
_CONFIRMED: Final = f"UPDATE source SET lost_at = NULL WHERE department = $1 AND ({_UNCONFIRMED}) = 0"
_OLDER: Final = """
SELECT department, count(*) AS count, min(older_since) AS since FROM status WHERE older_offset IS NOT NULL
GROUP BY department
"""
_log = structlog.get_logger(__name__)


class SourceWatch:
    def __init__(self, pool: "asyncpg.Pool[Any]", *, every_s: float = EVERY_S) -> None:
        self._pool, self._every_s = pool, every_s
        self._unconfirmed: dict[str, int] = {}
        self._older: dict[str, tuple[int, datetime]] = {}

    async def run(self) -> None:
        """Runs until cancelled. Ages also grow while the database is unavailable."""
        while True:
            with suppress_instrumentation():
                await self.measure()
            await asyncio.sleep(self._every_s)

    async def measure(self) -> None:
        for row in await self._pool.fetch(_OLDEST):
            department = row["department"]
            metrics.SOURCE_FRESHNESS.set_oldest(row["alive_as_of"], department=department)
            count = await self._pool.fetchval(_UNCONFIRMED, department) if row["lost"] else 0
            metrics.UNCONFIRMED_STATUSES.set(count, {"department": department})
            if row["lost"] and not count:
                await self._confirm(department)
            self._unconfirmed[department] = count
        await self._measure_older()

    async def _confirm(self, department: str) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, department)
            await connection.execute(_CONFIRMED, department)

    async def _measure_older(self) -> None:
        before = self._older
        found = {row["department"]: (row["count"], row["since"]) for row in await self._pool.fetch(_OLDER)}
        for department in before.keys() | found.keys() | self._unconfirmed.keys():
            count, since = found.get(department, (0, None))
            metrics.OLDER_VERSIONS.set(count, {"department": department})
            if count > before.get(department, (0, None))[0]:
                _log.error("version.decreased", department=department, count=count, since=since)
        self._older = found

    async def warning(self) -> str | None:
        """These lines are hidden until a newer version is published, which the reconciliation asks for."""
        if not self._older:
            return None
        named = (f"{name}: {count} since {since:%Y-%m-%d %H:%M:%S}Z" for name, (count, since) in self._older.items())
        return f"an older version was published behind a newer one ({', '.join(sorted(named))})"

    async def probe(self) -> str | None:
        """Every instance answers alike: the loss is in the database."""
        lost = {name: count for name, count in self._unconfirmed.items() if count}
        if not lost:
            return None
        counts = ", ".join(f"{name}: {count}" for name, count in sorted(lost.items()))
        return f"topics lost records; statuses not published again since ({counts})"
