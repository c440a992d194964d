"""Publishes a department's statuses again: assessed anew, and under a higher version also where nothing changed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from schemas.events import RepublicationAsked
from schemas.flows import CLEARANCE, source_of
from services.kit.department.desk import Desk
from services.kit.department.evidence.coverage import Coverages
from services.kit.department.recovery import version_floor
from services.kit.postgres.pool import Connection
from services.kit.republishing import store
from services.kit.republishing.store import Scope


class StatusPublisher:
    """A `republishing.worker.Publisher`."""

    students: tuple[str, str] = ("record", "student_id")

    def __init__(self, desk: Desk[Any]) -> None:
        self._desk = desk

    async def publish_again(self, connection: Connection, student_ids: Sequence[str]) -> tuple[int, int]:
        # All locks before the coverage is read, and only the first is waited for: an import locks the records of its
        # rows in another order.
        first, *others = student_ids
        await self._desk.lock(connection, first)
        free = {row["student_id"] for row in await connection.fetch(_LOCK_FREE, others)}
        done = 1 + next((number for number, one in enumerate(others) if one not in free), len(others))
        coverages: Coverages = {}
        published = 0
        for student_id in student_ids[:done]:
            locked = await self._desk.lock(connection, student_id)
            published += await self._desk.publish_again(connection, locked, now=datetime.now(UTC), coverages=coverages)
        return done, published


async def republication_asked(connection: Connection, event: RepublicationAsked) -> None:
    """A reader's request. What it knows of above every version here was published before this database's backup."""
    if event.above_version is not None:
        highest = await connection.fetchval(_HIGHEST, list(event.student_ids))
        if highest < event.above_version:
            await version_floor.raise_to(connection, event.above_version, found_by=version_floor.CLEARANCE)
    scope = Scope(event.student_ids, event.partition)
    await store.request(connection, scope, reason=event.reason, by=source_of(CLEARANCE))


_HIGHEST: Final = """
SELECT greatest((SELECT version FROM version_floor), (
    SELECT max(status_version) FROM record WHERE cardinality($1::text[]) = 0 OR student_id = ANY($1)
))
"""
_LOCK_FREE: Final = """
SELECT student_id FROM record WHERE student_id = ANY($1::text[]) ORDER BY student_id FOR UPDATE SKIP LOCKED
"""
