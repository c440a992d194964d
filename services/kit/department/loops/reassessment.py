"""Assesses again what rests on a coverage or on rules that changed, or waited for a hold to end."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.department.desk import Desk
from services.kit.department.evidence import coverage, questions
from services.kit.department.tables.record_store import OTHER_RULES
from services.kit.messaging.outbox import Wakeup
from services.kit.observability import metrics
from services.kit.rules.reasons import COVERAGE_CHANGED, RULES_CHANGED

_POLL_S: Final = 2.0
_AT_ONCE: Final = 100
"""Records of one transaction: its locks delay the desk by some tens of milliseconds."""


class Reassessment:
    """`changed` wakes it. Any number may run: they skip one another's records."""

    def __init__(self, desk: Desk[Any], changed: Wakeup) -> None:
        self._desk = desk
        self._changed = changed

    async def run(self) -> None:
        await self._desk.has_read.wait()
        while True:
            with suppress_instrumentation():
                while await self.batch():
                    self._desk.wakeup.notify()
                await self._measure()
            await self._changed.wait(_POLL_S)

    async def batch(self) -> int:
        """How many records it assessed."""
        async with self._desk.pool.acquire() as connection, connection.transaction():
            # Before the records, none of which it waits for: so it is in nobody's way who waits for the coverage.
            await coverage.share(connection)
            rows = await connection.fetch(_TO_ASSESS, _AT_ONCE)
            coverages: coverage.Coverages = {}
            for row in rows:
                locked = await self._desk.lock(connection, row["student_id"])
                cause = RULES_CHANGED() if row["assessed_revision"] == OTHER_RULES else COVERAGE_CHANGED()
                await self._desk.store(connection, locked, cause=cause, now=datetime.now(UTC), coverages=coverages)
        # Lets the desk and the imports go first.
        await asyncio.sleep(0)
        return len(rows)

    async def _measure(self) -> None:
        async with self._desk.pool.acquire() as connection:
            students, files = await questions.count_open(connection)
        for about, count in (("student", students), ("file", files)):
            metrics.OPEN_QUESTIONS.set(count, {"department": self._desk.rules.name, "about": about})

    async def warning(self) -> str | None:
        """Readiness names open questions; they need a person, not a restart."""
        async with self._desk.pool.acquire() as connection:
            students, files = await questions.count_open(connection)
        if not students and not files:
            return None
        return f"open questions: {students} about students, {files} about files; see GET /questions"


# A held record keeps its pass and would be found again and again: it is left until the hold ends. In the order of the
# index: sorting what is left for each batch would take longer than assessing it.
_TO_ASSESS: Final = """
SELECT student_id, assessed_revision FROM record
WHERE assessed_revision < (SELECT revision FROM coverage_revision) AND case_state IN ('open', 'completed')
  AND NOT EXISTS (SELECT FROM hold WHERE hold.student_id = record.student_id)
LIMIT $1 FOR UPDATE OF record SKIP LOCKED
"""
