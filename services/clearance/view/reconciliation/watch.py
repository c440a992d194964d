"""Opens and ends findings, has departments publish again what differs, and shows it: log, metrics, readiness."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from schemas.topics import Topics
from services.clearance.roster.roster import Roster
from services.clearance.view.reconciliation import findings
from services.clearance.view.reconciliation.asking import AGAIN_AFTER_S, ask
from services.kit.messaging.outbox import Wakeup
from services.kit.observability import metrics

EVERY_S: Final = 2.0
_OLDEST: Final = "SELECT department, min(compared_at) AS compared_at FROM reconciliation GROUP BY department"
_OPEN: Final = """
SELECT department, partition, published, viewed FROM reconciliation_finding WHERE healed_at IS NULL
ORDER BY department, partition
"""
_log = structlog.get_logger(__name__)


class ReconciliationWatch:
    """Every instance may run it: the table has one open finding of a partition."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        topics: Topics,
        roster: Roster,
        wakeup: Wakeup,
        *,
        every_s: float = EVERY_S,
        again_after_s: float = AGAIN_AFTER_S,
    ) -> None:
        self._pool, self._topics, self._roster, self._wakeup = pool, topics, roster, wakeup
        self._every_s, self._again_after_s = every_s, again_after_s
        self._open: list[asyncpg.Record] = []

    async def run(self) -> None:
        while True:
            with suppress_instrumentation():
                await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                healed, removed = await findings.heal(connection)
                for student_id in removed:
                    await self._roster.publish_again(connection, student_id, now=datetime.now(UTC))
            async with connection.transaction():
                found = await findings.find(connection, now=datetime.now(UTC))
            async with connection.transaction():
                asked = await ask(connection, self._topics, now=datetime.now(UTC), again_after_s=self._again_after_s)
            if asked or removed:
                self._wakeup.notify()
            for finding in found:
                metrics.RECONCILIATION_FINDINGS.add(1, {"department": finding.department})
                _log.error("view.differed", **finding.model_dump())
            for ended in healed:
                _log.info("view.healed", **ended.model_dump())
            self._open = await connection.fetch(_OPEN)
            await self._measure(await connection.fetch(_OLDEST))

    async def _measure(self, oldest: list[asyncpg.Record]) -> None:
        differing = Counter(row["department"] for row in self._open)
        for row in oldest:
            department = row["department"]
            metrics.RECONCILIATION_FINDINGS.add(0, {"department": department})
            metrics.RECONCILIATION_AGE.set_oldest(row["compared_at"], department=department)
            metrics.DIFFERING_PARTITIONS.set(differing[department], {"department": department})

    async def warning(self) -> str | None:
        """As of the last look: readiness does not wait for it."""
        if not self._open:
            return None
        named = "; ".join(
            f"{row['department']} [{row['partition']}]: {row['published']} published, {row['viewed']} in the view"
            for row in self._open
        )
        return f"the view differs from what departments have ({named}); see GET /reconciliation"
