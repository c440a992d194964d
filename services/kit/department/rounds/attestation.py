"""A department's side of the confirmation round: attest the record, and hold it if clear.

Waived checks count for neither: a debt that comes for another check while the attempt is open meets the hold.

Request and end of an attempt both lock the record first: no hold is placed after its attempt ended, and no other end
deletes it.

Attempts come in sets (event_sets.py), each of which is read by one statement and written by one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import asyncpg

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
from services.kit.department.evidence.coverage import Coverages
from services.kit.department.tables import waiting_changes
from services.kit.department.tables.record_store import StoredRecord
from services.kit.messaging import outbox
from services.kit.messaging.event_sets import Received
from services.kit.observability import subjects
from services.kit.postgres.pool import Connection
from services.kit.rules.department_rules import Record
from services.kit.runtime.failpoints import failpoint

R = TypeVar("R", bound=Record)

_KNOWN: Final = """
SELECT asked.attempt_id, attempt_end.outcome, attempt_end.cause, attestation.answer, attestation.lapsed_at,
       coalesce(attestation.student_id, attempt_end.student_id) AS student_id, waiting_change.blocked
FROM unnest($1::uuid[], $2::text[]) AS asked (attempt_id, student_id)
LEFT JOIN attempt_end ON attempt_end.attempt_id = asked.attempt_id
LEFT JOIN attestation ON attestation.attempt_id = asked.attempt_id
LEFT JOIN waiting_change ON waiting_change.student_id = asked.student_id
                        AND noted_at > clock_timestamp() - $3::interval
"""
# Opened again by a clearance that was restored, the attempt lives longer.
_PROLONG: Final = "UPDATE hold SET expires_at = greatest(expires_at, $2) WHERE attempt_id = $1 RETURNING expires_at"
_STORE: Final = f"""
WITH attested AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::timestamptz[], $7::text[],
                         $8::text[])
    AS attested (attempt_id, student_id, outcome, version, waived, expires_at, answer, details)
), held AS (
    INSERT INTO hold (attempt_id, student_id, version, placed_at, waived, expires_at)
    SELECT attempt_id, student_id, version, clock_timestamp(), string_to_array(waived, ','), expires_at
    FROM attested WHERE outcome = 'clear'
), stored AS (
    INSERT INTO attestation (attempt_id, student_id, outcome, answer)
    SELECT attempt_id, student_id, outcome, answer FROM attested
), audited AS (
    SELECT $9::text AS actor, 'attempt.attest' AS act, student_id, details,
           CASE outcome WHEN 'clear' THEN 'held' ELSE outcome END AS outcome FROM attested
), {log.entries_of_each("audited")}
INSERT INTO outbox (topic, key, value, traceparent)
SELECT * FROM unnest($10::text[], $11::bytea[], $12::bytea[], $13::text[])
"""
# The details have a place for the version of the hold, which is known once it is deleted.
_OF_THE_HOLD: Final = "(of the hold)"
_END: Final = f"""
WITH said AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
    AS said (attempt_id, student_id, ended_at, cause, details)
), ended AS (
    INSERT INTO attempt_end AS known (attempt_id, student_id, outcome, ended_at, cause)
    SELECT attempt_id, student_id, $6::text, ended_at, cause FROM said
    ON CONFLICT (attempt_id) DO UPDATE SET heard_at = known.heard_at RETURNING attempt_id, student_id, outcome
), released AS (
    DELETE FROM hold USING said JOIN ended USING (attempt_id, student_id)
    WHERE hold.attempt_id = said.attempt_id AND hold.student_id = said.student_id AND ended.outcome = $6
    RETURNING hold.student_id, replace(details, '"{_OF_THE_HOLD}"', version::text) AS details
), audited AS (
    SELECT $7::text AS actor, 'attempt.release' AS act, $6 AS outcome, student_id, details FROM released
), {log.entries_of_each("audited")}
SELECT attempt_id FROM said
WHERE NOT EXISTS (SELECT FROM ended WHERE (ended.attempt_id, ended.student_id, ended.outcome)
                                         = (said.attempt_id, said.student_id, $6))
"""
Ended = SubmissionAccepted | SubmissionRefused


class Attestations(Generic[R]):
    """Methods take part in the caller's transaction, with events that are each of another student."""

    def __init__(self, desk: Desk[R], topics: Topics) -> None:
        self._desk = desk
        self._name = desk.rules.name
        self._topic = topics.attestation(desk.rules.name)

    async def requested(self, connection: Connection, events: Sequence[Received[SubmissionRequested]]) -> None:
        """A repeated request gets the stored answer; one about an attempt that is over here, how it ended."""
        asked = [one for one in events if self._name in one.event.required]
        if not asked:
            return
        now = datetime.now(UTC)
        records = await self._desk.lock_each(connection, [one.event.student_id for one in asked])
        failpoint("attest.after_lock")
        known = await _known(connection, asked)
        coverages: Coverages = {}
        rows: list[outbox.Columns] = []
        stored: list[tuple[Any, ...]] = []
        for one in asked:
            event, row = one.event, known[one.event.attempt_id]
            with one.traced():
                answer = row["answer"] and AttestationGiven.model_validate_json(row["answer"])
                ended = known_end(row["outcome"], row["cause"], lapsed=row["lapsed_at"] is not None)
                if answer is None:
                    waiting_for = frozenset(row["blocked"] or ())
                    locked = records[event.student_id]
                    answer = await self._answer(connection, event, locked, waiting_for, coverages, now)
                    if ended is None:
                        subjects.describe_current(event.student_id, act="attempt.attest", outcome=answer.outcome)
                        stored.append(_columns(answer, event.waived.get(self._name, ()), event.expires_at))
                elif ended is None:
                    held_until = await connection.fetchval(_PROLONG, event.attempt_id, event.expires_at)
                    answer = answer.model_copy(update={"held_until": held_until})
                if ended is not None:
                    over = {"outcome": AttestationOutcome.OBJECTED, "held_until": None, "ended": ended}
                    answer = answer.model_copy(update=over)
                key, source = event.student_id, self._desk.source
                rows.append(outbox.columns(topic=self._topic, key=key, event=answer, source=source, now=now))
        await connection.execute(_STORE, *_by_column(stored, 8), self._desk.source, *_by_column(rows, 4))
        failpoint("attest.before_commit")

    async def _answer(
        self,
        connection: Connection,
        event: SubmissionRequested,
        locked: StoredRecord[R],
        waiting_for: frozenset[str],
        coverages: Coverages,
        now: datetime,
    ) -> AttestationGiven:
        """From the record as it is now. `waiting_for`: the checks that a waiting change would block."""
        waived = event.waived.get(self._name, ())
        # The request may overtake the case, which is on another topic.
        if event.case_number > locked.case_number:
            locked = locked.leaving_again(event.case_number, event.cohort)
        elif not locked.case_version:
            locked = replace(locked, cohort=event.cohort)
        assessment, status = await self._desk.current_or_new_status(connection, locked, now=now, coverages=coverages)
        asked_for = waiting_for - set(waived)
        clear = assessment.clear_without(waived) and not asked_for
        return AttestationGiven(
            attempt_id=event.attempt_id,
            student_id=event.student_id,
            department=self._name,
            outcome=AttestationOutcome.CLEAR if clear else AttestationOutcome.OBJECTED,
            version=status.version,
            checks=waiting_changes.objected(assessment.checks, asked_for),
            attested_at=now,
            held_until=event.expires_at if clear else None,
        )

    async def accepted(self, connection: Connection, events: Sequence[Received[SubmissionAccepted]]) -> None:
        await self._ended(connection, [(one, one.event.accepted_at, None) for one in events], EndOutcome.ACCEPTED)

    async def refused(self, connection: Connection, events: Sequence[Received[SubmissionRefused]]) -> None:
        ends = [(one, one.event.refused_at, one.event.cause) for one in events]
        await self._ended(connection, ends, EndOutcome.REFUSED)

    async def _ended(
        self, connection: Connection, ends: Sequence[tuple[Received[Ended], datetime, str | None]], outcome: EndOutcome
    ) -> None:
        _require_distinct(one.event.attempt_id for one, _, _ in ends)
        await self._desk.lock_each(connection, [one.event.student_id for one, _, _ in ends])
        failpoint("outcome.before_release")
        columns = []
        for one, at, cause in ends:
            with one.traced():
                subjects.describe_current(one.event.student_id, act="attempt.release", outcome=outcome)
                details = log.details_text({"attempt": one.event.attempt_id, "version": _OF_THE_HOLD})
            columns.append((one.event.attempt_id, one.event.student_id, at, cause, details))
        otherwise = await connection.fetch(_END, *_by_column(columns, 5), outcome, self._desk.source)
        failpoint("outcome.after_release")
        if otherwise:
            # The others are stored; handled again, they change nothing.
            raise Unreadable("attempt_id: the attempt has ended with another outcome")
        failpoint("outcome.before_commit")


async def _known(
    connection: Connection, asked: Sequence[Received[SubmissionRequested]]
) -> Mapping[UUID, asyncpg.Record]:
    """By attempt. Raises `Unreadable` for an attempt of two students."""
    _require_distinct(one.event.attempt_id for one in asked)
    students = {one.event.attempt_id: one.event.student_id for one in asked}
    rows = await connection.fetch(_KNOWN, list(students), list(students.values()), waiting_changes.KEPT)
    if any(row["student_id"] not in (None, students[row["attempt_id"]]) for row in rows):
        raise Unreadable("attempt_id: the attempt is another student's")
    return {row["attempt_id"]: row for row in rows}


def _require_distinct(attempts: Iterable[UUID]) -> None:
    """Raises `Unreadable`: alone, the first is stored, and the next is another student's."""
    given = list(attempts)
    if len(set(given)) < len(given):
        raise Unreadable("attempt_id: the attempt is another student's")


def _columns(answer: AttestationGiven, waived: Sequence[str], expires_at: datetime) -> tuple[Any, ...]:
    """As `_STORE` has them."""
    return (
        answer.attempt_id,
        answer.student_id,
        answer.outcome.value,
        answer.version,
        ",".join(waived),
        expires_at,
        answer.model_dump_json(),
        log.details_text({"attempt": answer.attempt_id, "version": answer.version}),
    )


def _by_column(rows: Sequence[tuple[Any, ...]], count: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count


def known_end(outcome: str | None, cause: str | None, *, lapsed: bool) -> KnownEnd | None:
    """Of the end that was received, else of a hold that ended by itself; None while the attempt may go on. Pure."""
    if outcome is not None:
        return KnownEnd(outcome=EndOutcome(outcome), cause=cause)
    return KnownEnd(outcome=EndOutcome.LAPSED) if lapsed else None
