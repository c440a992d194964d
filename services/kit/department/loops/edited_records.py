"""Finds records that another hand than this service's wrote: assesses and publishes them again, with an alarm.

What was edited stays: which of the two is right, only a person can tell.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.audit import log
from services.kit.department.desk import Desk
from services.kit.observability import metrics
from services.kit.rules.reasons import REPUBLISHED

EVERY_S: Final = 5.0
_AT_ONCE: Final = 100
_EDITED: Final = "SELECT student_id FROM record WHERE edited AND student_id > $1 ORDER BY student_id LIMIT $2"
_STILL_EDITED: Final = "SELECT edited FROM record WHERE student_id = $1 FOR UPDATE"
_PUBLISHED: Final = "published"
_UNREADABLE: Final = "unreadable"
_log = structlog.get_logger(__name__)


class EditedRecords:
    """Any number may run: one of them finds a record edited."""

    def __init__(self, desk: Desk[Any], *, every_s: float = EVERY_S) -> None:
        self._desk, self._every_s = desk, every_s
        self._unreadable: frozenset[str] = frozenset()
        for outcome in (_PUBLISHED, _UNREADABLE):
            metrics.EDITED_RECORDS.add(0, {"department": desk.rules.name, "outcome": outcome})

    async def run(self) -> None:
        while True:
            with suppress_instrumentation():
                await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> int:
        """How many it published again."""
        after, published, unreadable = "", 0, set()
        while rows := await self._desk.pool.fetch(_EDITED, after, _AT_ONCE):
            for row in rows:
                after = row["student_id"]
                try:
                    published += await self._take_over(after)
                except ValueError:
                    unreadable.add(after)
        if published:
            self._desk.wakeup.notify()
            self._tell(_PUBLISHED, published)
        if new := unreadable - self._unreadable:
            self._tell(_UNREADABLE, len(new))
        self._unreadable = frozenset(unreadable)
        return published

    async def _take_over(self, student_id: str) -> bool:
        """Raises `ValueError` for what is no record or status any more."""
        async with self._desk.pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_STILL_EDITED, student_id):
                return False
            now = datetime.now(UTC)
            locked = await self._desk.lock(connection, student_id)
            if not await self._desk.publish_again(connection, locked, now=now, coverages={}):
                await self._desk.store(connection, locked, cause=REPUBLISHED(), now=now)
            await log.append_entry(
                connection,
                actor=self._desk.source,
                act="record.edited",
                outcome="published",
                student_id=student_id,
                details={"version": locked.status_version},
            )
        return True

    def _tell(self, outcome: str, count: int) -> None:
        department = self._desk.rules.name
        metrics.EDITED_RECORDS.add(count, {"department": department, "outcome": outcome})
        _log.error("records.edited", department=department, outcome=outcome, count=count)

    async def warning(self) -> str | None:
        """As of the last look."""
        if not self._unreadable:
            return None
        return f"{len(self._unreadable)} records were edited by hand and cannot be read: correct them in the database"
