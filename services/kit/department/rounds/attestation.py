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
    EndOutcome,
    KnownEnd,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
)
from schemas.topics import Topics
from services.kit.audit import log
from services.kit.department.desk import Desk
from services.kit.department.tables import waiting_changes
from services.kit.department.tables.record_store import StoredRecord
from services.kit.messaging import outbox
from services.kit.postgres.pool import Connection
from services.kit.rules.department_rules import Record
from services.kit.runtime.failpoints import failpoint

R = TypeVar("R", bound=Record)

_ANSWERED: Final = """
SELECT attempt_end.outcome, attempt_end.cause, attestation.answer, attestation.lapsed_at,
       coalesce(attestation.student_id, attempt_end.student_id) AS student_id
FROM (SELECT $1::uuid AS attempt_id) AS asked
LEFT JOIN attempt_end USING (attempt_id) LEFT JOIN attestation USING (attempt_id)
"""
# Opened again by a clearance that was restored, the attempt lives longer.
_PROLONG: Final = "UPDATE hold SET expires_at = greatest(expires_at, $2) WHERE attempt_id = $1 RETURNING expires_at"


class Attestations(Generic[R]):
    """Methods take part in the caller's transaction."""

    def __init__(self, desk: Desk[R], topics: Topics) -> None:
        self._desk = desk
        self._name = desk.rules.name
        self._topic = topics.attestation(desk.rules.name)

    async def requested(self, connection: Connection, event: SubmissionRequested) -> None:
        """A repeated request gets the stored answer; one about an attempt that is over here, how it ended."""
        if self._name not in event.required:
            return
        now = datetime.now(UTC)
        locked = await self._desk.lock(connection, event.student_id)
        failpoint("attest.after_lock")
        known = await connection.fetchrow(_ANSWERED, event.attempt_id)
        assert known is not None
        if known["student_id"] not in (None, event.student_id):
            raise Unreadable("attempt_id: the attempt is another student's")
        ended = known_end(known["outcome"], known["cause"], lapsed=known["lapsed_at"] is not None)
        if ended is not None:
            known_answer = known["answer"] and AttestationGiven.model_validate_json(known["answer"])
            answer = known_answer or await self._answer(connection, event, locked, now)
            answer = answer.model_copy(
                update={"outcome": AttestationOutcome.OBJECTED, "held_until": None, "ended": ended}
            )
        elif known["answer"] is not None:
            answer = AttestationGiven.model_validate_json(known["answer"])
            held_until = await connection.fetchval(_PROLONG, event.attempt_id, event.expires_at)
            answer = answer.model_copy(update={"held_until": held_until})
        else:
            answer = await self._answer(connection, event, locked, now)
            await self._store(connection, answer, event)
        await outbox.append(
            connection, topic=self._topic, key=answer.student_id, event=answer, source=self._desk.source, now=now
        )
        failpoint("attest.before_commit")

    async def _answer(
        self, connection: Connection, event: SubmissionRequested, locked: StoredRecord[R], now: datetime
    ) -> AttestationGiven:
        """From the record as it is now."""
        waived = event.waived.get(self._name, ())
        # The request may overtake the case, which is on another topic.
        if event.case_number > locked.case_number:
            locked = locked.leaving_again(event.case_number, event.cohort)
        elif not locked.case_version:
            locked = replace(locked, cohort=event.cohort)
        assessment, status = await self._desk.current_or_new_status(connection, locked, now=now)
        waiting_for = await waiting_changes.waiting(connection, event.student_id) - set(waived)
        clear = assessment.clear_without(waived) and not waiting_for
        return AttestationGiven(
            attempt_id=event.attempt_id,
            student_id=event.student_id,
            department=self._name,
            outcome=AttestationOutcome.CLEAR if clear else AttestationOutcome.OBJECTED,
            version=status.version,
            checks=waiting_changes.objected(assessment.checks, waiting_for),
            attested_at=now,
            held_until=event.expires_at if clear else None,
        )

    async def _store(self, connection: Connection, answer: AttestationGiven, event: SubmissionRequested) -> None:
        if answer.outcome is AttestationOutcome.CLEAR:
            await connection.execute(
                "INSERT INTO hold (attempt_id, student_id, version, placed_at, waived, expires_at)"
                " VALUES ($1, $2, $3, clock_timestamp(), $4, $5)",
                answer.attempt_id,
                answer.student_id,
                answer.version,
                event.waived.get(self._name, ()),
                event.expires_at,
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
        await self._ended(connection, event, EndOutcome.ACCEPTED, event.accepted_at)

    async def refused(self, connection: Connection, event: SubmissionRefused) -> None:
        await self._ended(connection, event, EndOutcome.REFUSED, event.refused_at, event.cause)

    async def _ended(
        self,
        connection: Connection,
        event: SubmissionAccepted | SubmissionRefused,
        outcome: EndOutcome,
        at: datetime,
        cause: str | None = None,
    ) -> None:
        await self._desk.lock(connection, event.student_id)
        failpoint("outcome.before_release")
        ended = await connection.fetchrow(
            """
            INSERT INTO attempt_end AS known (attempt_id, student_id, outcome, ended_at, cause)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (attempt_id) DO UPDATE SET heard_at = known.heard_at RETURNING student_id, outcome
            """,
            event.attempt_id,
            event.student_id,
            outcome,
            at,
            cause,
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


def known_end(outcome: str | None, cause: str | None, *, lapsed: bool) -> KnownEnd | None:
    """Of the end that was received, else of a hold that ended by itself; None while the attempt may go on. Pure."""
    if outcome is not None:
        return KnownEnd(outcome=EndOutcome(outcome), cause=cause)
    return KnownEnd(outcome=EndOutcome.LAPSED) if lapsed else None
