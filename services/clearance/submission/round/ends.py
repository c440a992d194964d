"""Ends attempts: an acceptance with its signed form, or a refusal; parts end with their attempt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.attempts import AttemptState, RefusalCause
from schemas.events import CaseChanged
from services.clearance.receipts.private_keys.in_thread import in_thread
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster.case_store import SOURCE
from services.clearance.roster.cases import Case
from services.clearance.roster.roster import Roster
from services.clearance.submission import submission_store
from services.clearance.submission.after_acceptance import exceptions
from services.clearance.submission.attempts import attempt_store
from services.clearance.submission.attempts.attempt_store import Attempt
from services.clearance.submission.attempts.rounds import Round
from services.clearance.submission.events import Outgoing, of_part
from services.clearance.submission.round.acceptance import signed_submission
from services.clearance.submission.round.settlement import Outcome, Settlement
from services.clearance.submission.submission_store import Submission
from services.kit.messaging.event_sets import Received
from services.kit.observability import metrics
from services.kit.postgres.pool import Connection
from services.kit.runtime.failpoints import failpoint

UNTRACED: Final[Received[Any]] = Received(None)
"""The cause of an end that no event has brought."""


@dataclass(frozen=True, slots=True)
class End:
    """A round that has ended; `attempts`: as they ended, of those that were open; `by`: what has brought the end."""

    round: Round
    settlement: Settlement
    attempts: tuple[Attempt, ...]
    by: Received[Any] = UNTRACED

    @property
    def whole(self) -> Attempt | None:
        """None if it had ended before, and only parts of it now."""
        return next((one for one in self.attempts if one.parent_id is None), None)


def end(one: Round, settlement: Settlement, now: datetime, by: Received[Any] = UNTRACED) -> End:
    """Its attempts are ended from here on, and have to be written."""
    ended = one.open
    for asked in ended:
        if settlement.outcome is Outcome.ACCEPTED:
            asked.attempt = replace(asked.attempt, state=AttemptState.ACCEPTED, ended_at=now)
        else:
            assert settlement.cause is not None
            state = attempt_store.refused_state(settlement.cause)
            asked.attempt = replace(asked.attempt, state=state, ended_at=now, cause=settlement.cause)
    if one.whole in ended:
        one.whole.attempt = replace(one.whole.attempt, objections=settlement.objections)
    return End(one, settlement, tuple(asked.attempt for asked in ended), by)


class Ends:
    """In the transaction open on `connection`, under the locks of the attempts' cases. `topic`: of submissions."""

    def __init__(self, *, topic: str, roster: Roster, keyring: Keyring, zone: ZoneInfo) -> None:
        self._topic, self._roster, self._keyring, self._zone = topic, roster, keyring, zone
        _measure_from_zero()

    async def write(self, connection: Connection, ends: Sequence[End], outgoing: Outgoing, now: datetime) -> None:
        """`now`: when they ended."""
        if not ends:
            return
        await attempt_store.end_each(connection, [attempt for one in ends for attempt in one.attempts])
        accepted = [one for one in ends if one.settlement.outcome is Outcome.ACCEPTED]
        if accepted:
            await self._accept(connection, accepted, outgoing, now)
        for one in ends:
            if one.settlement.outcome is Outcome.REFUSED:
                with one.by.traced():
                    self._refused(one, outgoing)
            if one.whole is not None:
                _measure(one.whole)

    async def _accept(self, connection: Connection, ends: Sequence[End], outgoing: Outgoing, now: datetime) -> None:
        submissions = await self._signed(connection, [one.round for one in ends], now)
        failpoint("settle.before_insert")
        await submission_store.add_each(connection, submissions)
        failpoint("settle.after_insert")
        changes = await self._roster.complete(connection, [_case(one.round) for one in ends], now=now)
        await exceptions.update_accepted(connection, [one.attempt_id for one in submissions])
        changed = {change.student_id: change for change in changes}
        for one, submission in zip(ends, submissions, strict=True):
            with one.by.traced():
                self._accepted(one.round, submission, changed.get(submission.student.student_id), outgoing)

    async def _signed(self, connection: Connection, rounds: Sequence[Round], now: datetime) -> list[Submission]:
        signer = await self._keyring.signer(connection)
        numbers = {one.whole.attempt.student_id: one.whole.attempt.case_number for one in rounds}
        positions = await submission_store.next_positions(connection, numbers)
        return [
            await in_thread(
                signed_submission,
                signer,
                _case(one).student,
                positions[one.whole.attempt.student_id],
                one.whole.attempt.attempt_id,
                one.whole.required,
                one.whole.waivers.values(),
                now,
                self._zone,
                former={part.attempt.student_id: part.required for part in one.parts},
            )
            for one in rounds
        ]

    def _accepted(self, one: Round, submission: Submission, change: CaseChanged | None, outgoing: Outgoing) -> None:
        attempt, waivers = one.whole.attempt, tuple(one.whole.waivers.values())
        if change is not None:
            outgoing.publish(self._roster.topic, change)
        accepted = submission_store.with_form(submission, attempt.opened_at, attempt.expires_at, waivers)
        outgoing.publish(self._topic, accepted, *(of_part(accepted, part.attempt) for part in one.parts))
        for part in one.parts:
            _note_part(part.attempt, "submission.accept", "accepted", outgoing)
        details: Mapping[str, Any] = {
            "attempt": attempt.attempt_id,
            "form": submission.form_number,
            "replaces": submission.position.replaces,
            "versions": {name: answer.version for name, answer in one.whole.required.items()},
            "waived": [f"{waiver.department}.{waiver.check} {waiver.kind}" for waiver in waivers],
        }
        outgoing.note(
            actor=SOURCE,
            act="submission.accept",
            outcome="accepted",
            student_id=attempt.student_id,
            details=details,
        )

    def _refused(self, ended: End, outgoing: Outgoing) -> None:
        outgoing.publish(self._topic, *(attempt.refused_event() for attempt in ended.attempts))
        for part in ended.attempts:
            if part.parent_id is not None:
                _note_part(part, "submission.refuse", part.state, outgoing)
        attempt = ended.whole
        if attempt is None:
            return
        outgoing.note(
            actor=SOURCE,
            act="submission.refuse",
            outcome=attempt.state,
            student_id=attempt.student_id,
            details={"attempt": attempt.attempt_id, "cause": attempt.cause, "objections": sorted(attempt.objections)},
        )


def _case(one: Round) -> Case:
    """Of a round that is accepted."""
    assert one.case is not None
    return one.case


def _note_part(part: Attempt, act: str, outcome: str, outgoing: Outgoing) -> None:
    """Under the former number."""
    outgoing.note(
        actor=SOURCE,
        act=act,
        outcome=outcome,
        student_id=part.student_id,
        details={"attempt": part.attempt_id, "part_of": part.parent_id},
    )


def _measure_from_zero() -> None:
    metrics.ATTEMPTS.add(0, {"outcome": AttemptState.ACCEPTED, "cause": "accepted"})
    for cause in RefusalCause:
        metrics.ATTEMPTS.add(0, {"outcome": attempt_store.refused_state(cause), "cause": cause})


def _measure(ended: Attempt) -> None:
    assert ended.ended_at is not None
    metrics.ATTEMPTS.add(1, {"outcome": ended.state, "cause": ended.cause or "accepted"})
    metrics.ATTEMPT_DURATION.record((ended.ended_at - ended.opened_at).total_seconds(), {"outcome": ended.state})
