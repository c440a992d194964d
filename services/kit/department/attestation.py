"""A department's side of the confirmation round: attest the record, and hold it if clear.

Waived checks count for neither: a debt that comes for another check while the attempt is open meets the hold.

Request and end of an attempt both lock the record first: no hold is placed after its attempt ended, and no other end
deletes it.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from schemas.codec import Unreadable
from schemas.events import (
    AttestationGiven,
    AttestationOutcome,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
)
from schemas.topics import Topics
from services.kit.audit import log
from services.kit.department.desk import Desk
from services.kit.messaging import outbox
from services.kit.postgres.pool import Connection
from services.kit.rules.department_rules import Record
from services.kit.runtime.failpoints import failpoint

R = TypeVar("R", bound=Record)

_ANSWERED: Final = """
SELECT EXISTS (SELECT FROM attempt_end WHERE attempt_id = $1) AS ended,
       (SELECT answer FROM attestation WHERE attempt_id = $1) AS answer
"""


class Attestations(Generic[R]):
    """Methods take part in the caller's transaction."""

    def __init__(self, desk: Desk[R], topics: Topics) -> None:
        self._desk = desk
        self._name = desk.rules.name
        self._topic = topics.attestation(desk.rules.name)

    async def requested(self, connection: Connection, event: SubmissionRequested) -> None:
        """A repeated request gets the stored answer."""
        if self._name not in event.required:
            return
        now = datetime.now(UTC)
        locked = await self._desk.lock(connection, event.student_id)
        failpoint("attest.after_lock")
        known = await connection.fetchrow(_ANSWERED, event.attempt_id)
        assert known is not None
        if known["ended"]:
            return
        if known["answer"] is not None:
            answer = AttestationGiven.model_validate_json(known["answer"])
            if answer.student_id != event.student_id:
                raise Unreadable("attempt_id: the attempt is another student's")
        else:
            waived = event.waived.get(self._name, ())
            # The request may overtake the case, which is on another topic.
            if event.case_number > locked.case_number:
                locked = locked.leaving_again(event.case_number, event.cohort)
            elif not locked.case_version:
                locked = replace(locked, cohort=event.cohort)
            assessment, status = await self._desk.current_or_new_status(connection, locked, now=now)
            answer = AttestationGiven(
                attempt_id=event.attempt_id,
                student_id=event.student_id,
                department=self._name,
                outcome=AttestationOutcome.CLEAR if assessment.clear_without(waived) else AttestationOutcome.OBJECTED,
                version=status.version,
                checks=assessment.checks,
                attested_at=now,
            )
            await self._store(connection, answer, waived)
        await outbox.append(
            connection, topic=self._topic, key=answer.student_id, event=answer, source=self._desk.source, now=now
        )
        failpoint("attest.before_commit")

    async def _store(self, connection: Connection, answer: AttestationGiven, waived: tuple[str, ...]) -> None:
        if answer.outcome is AttestationOutcome.CLEAR:
            await connection.execute(
                "INSERT INTO hold (attempt_id, student_id, version, placed_at, waived)"
                " VALUES ($1, $2, $3, clock_timestamp(), $4)",
                answer.attempt_id,
                answer.student_id,
                answer.version,
                waived,
            )
            failpoint("attest.after_hold")
        await connection.execute(
            "INSERT INTO attestation (attempt_id, student_id, outcome, answer) VALUES ($1, $2, $3, $4)",
            answer.attempt_id,
            answer.student_id,
            answer.outcome.value,
            answer.model_dump_json(),
        )
        await log.append_entry(
            connection,
            actor=self._desk.source,
            act="attempt.attest",
            outcome="held" if answer.outcome is AttestationOutcome.CLEAR else "objected",
            student_id=answer.student_id,
            details={"attempt": answer.attempt_id, "version": answer.version},
        )

    async def accepted(self, connection: Connection, event: SubmissionAccepted) -> None:
        await self._ended(connection, event, "accepted", event.accepted_at)

    async def refused(self, connection: Connection, event: SubmissionRefused) -> None:
        await self._ended(connection, event, "refused", event.refused_at)

    async def _ended(
        self, connection: Connection, event: SubmissionAccepted | SubmissionRefused, outcome: str, at: datetime
    ) -> None:
        await self._desk.lock(connection, event.student_id)
        failpoint("outcome.before_release")
        ended = await connection.fetchrow(
            """
            INSERT INTO attempt_end AS known (attempt_id, student_id, outcome, ended_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (attempt_id) DO UPDATE SET heard_at = known.heard_at RETURNING student_id, outcome
            """,
            event.attempt_id,
            event.student_id,
            outcome,
            at,
        )
        assert ended is not None
        if (ended["student_id"], ended["outcome"]) != (event.student_id, outcome):
            raise Unreadable("attempt_id: the attempt has ended with another outcome")
        released = await connection.fetchval(
            "DELETE FROM hold WHERE attempt_id = $1 AND student_id = $2 RETURNING version",
            event.attempt_id,
            event.student_id,
        )
        failpoint("outcome.after_release")
        if released is not None:
            await log.append_entry(
                connection,
                actor=self._desk.source,
                act="attempt.release",
                outcome=outcome,
                student_id=event.student_id,
                details={"attempt": event.attempt_id, "version": released},
            )
        failpoint("outcome.before_commit")


async def oldest_hold_s(connection: Connection) -> float | None:
    """By the database's clock."""
    age: float | None = await connection.fetchval(
        "SELECT extract(epoch FROM clock_timestamp() - min(placed_at))::float8 FROM hold"
    )
    return age
