"""Publishes cases again under higher versions, and how their attempts ended: receivers recognise what they know."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from schemas.topics import Topics
from services.clearance.roster import case_store
from services.clearance.roster.roster import Roster
from services.clearance.submission.attempts import attempt_store
from services.clearance.submission.events import ended_event, publish
from services.kit.postgres.pool import Connection


class CasePublisher:
    """A `republishing.worker.Publisher`."""

    students: tuple[str, str] = ("student_case", "student_id")

    def __init__(self, roster: Roster, topics: Topics) -> None:
        self._roster, self._topic = roster, topics.submission

    async def publish_again(self, connection: Connection, student_ids: Sequence[str]) -> tuple[int, int]:
        # Only the first is waited for: an import locks the cases of its rows in another order.
        first, *others = student_ids
        await case_store.lock(connection, first)
        free = {row["student_id"] for row in await connection.fetch(_LOCK_FREE, others)}
        done = 1 + next((number for number, one in enumerate(others) if one not in free), len(others))
        published = 0
        for student_id in student_ids[:done]:
            published += await self._publish(connection, student_id, now=datetime.now(UTC))
        return done, published

    async def _publish(self, connection: Connection, student_id: str, *, now: datetime) -> bool:
        case = await case_store.lock(connection, student_id)
        if case is None:
            return False
        await self._roster.store(connection, case, replace(case, version=case.version + 1), now=now)
        ended = [row["attempt_id"] for row in await connection.fetch(_ENDED, student_id)]
        locked = {attempt.attempt_id: attempt for attempt in await attempt_store.lock_each(connection, ended)}
        for attempt_id in ended:
            event = await ended_event(connection, locked[attempt_id])
            if event is not None:
                await publish(connection, self._topic, event)
        return True


_LOCK_FREE: Final = """
SELECT student_id FROM student_case WHERE student_id = ANY($1::text[]) ORDER BY student_id FOR UPDATE SKIP LOCKED
"""
# In the order they ended, so that the last is again the last.
_ENDED: Final = "SELECT attempt_id FROM attempt WHERE student_id = $1 AND state <> 'open' ORDER BY ended_at, attempt_id"
