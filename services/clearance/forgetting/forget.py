"""Forgets a student everywhere: the clearance's rows go, and tombstones have every other service do the same."""

from dataclasses import dataclass
from typing import Any

from schemas.topics import Topics
from services.clearance.forgetting.departures import FORGET, check_finished, numbers_of
from services.clearance.forgetting.tables import TABLES
from services.clearance.notify import notify
from services.clearance.roster import case_store
from services.kit.audit import log
from services.kit.messaging import outbox
from services.kit.postgres.pool import Connection
from services.kit.retention.erasing import erase


@dataclass(frozen=True, slots=True)
class Decided:
    """Who had the student forgotten, and why. `proposed_by`: of two persons, the first."""

    by: str
    why: str
    proposed_by: str | None = None

    @property
    def details(self) -> dict[str, Any]:
        two = {"proposed_by": self.proposed_by} if self.proposed_by else {}
        return {"reason": self.why, **two}


class Forgetting:
    """Methods take part in the caller's transaction."""

    def __init__(self, topics: Topics) -> None:
        # Behind everything that was published about the student, so that it is the last that a reader gets.
        self._topics = (topics.case, topics.submission)

    async def forget(self, connection: Connection, student_id: str, decided: Decided) -> dict[str, int]:
        """Table → rows that went. Repeated, it publishes the tombstones again. Raises `ActionRefused`."""
        numbers = await numbers_of(connection, student_id)
        await check_finished(connection, numbers, forced=decided.proposed_by is not None)
        erased = await erase(connection, TABLES, numbers)
        for number in numbers:
            for topic in self._topics:
                await outbox.append_tombstone(connection, topic=topic, key=number)
            await log.append_entry(
                connection,
                actor=decided.by,
                act=FORGET,
                outcome="forgotten",
                student_id=number,
                details={**decided.details, "rows": erased},
            )
        await notify(connection)
        return erased


async def forget_straggler(connection: Connection, student_id: str) -> None:
    """What arrived about a forgotten student after the forgetting, up to another service's tombstone."""
    if await case_store.lock(connection, student_id) is None:
        await erase(connection, TABLES, [student_id])
