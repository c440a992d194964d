"""A department forgets a student whom the clearance has forgotten.

The case's tombstone decides. Tombstones on other topics stand behind what was on its way when it was published: they
take what arrived about the student since, and nothing of a student who has a case again or of whom something is on
record.
"""

from collections.abc import Sequence
from typing import Final

from schemas.events import Tombstone
from schemas.flows import CLEARANCE, source_of
from schemas.topics import Topics
from services.kit.audit import log
from services.kit.department.retention import TABLES
from services.kit.messaging import outbox
from services.kit.postgres.pool import Connection
from services.kit.retention.erasing import erase

FORGET: Final = "student.forget"
_LOCK: Final = """
SELECT case_version = 0 AND own_evidence = '{}' AND open_questions = 0 AS empty
FROM record WHERE student_id = $1 FOR UPDATE
"""


class DepartmentForgetting:
    """Methods take part in the caller's transaction."""

    def __init__(self, name: str, topics: Topics) -> None:
        self._case_topic = topics.case
        self._own: Sequence[str] = (topics.status(name), topics.attestation(name), topics.answer(name))

    async def obey(self, connection: Connection, event: Tombstone) -> None:
        """Repeated, it publishes the department's tombstones again and changes nothing else."""
        empty = await connection.fetchval(_LOCK, event.student_id)
        if event.topic != self._case_topic and not empty:
            return
        erased = await erase(connection, TABLES, [event.student_id])
        for topic in self._own:
            await outbox.append_tombstone(connection, topic=topic, key=event.student_id)
        if erased:
            await log.append_entry(
                connection,
                actor=source_of(CLEARANCE),
                act=FORGET,
                outcome=log.FORGOTTEN,
                student_id=event.student_id,
                details={"rows": erased},
            )
