"""What a set of attestations says, one after another, to attempts that are locked. No I/O: what it leads to is written
later."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from schemas.attempts import AttemptState, RefusalCause
from schemas.codec import Unreadable
from schemas.events import AttestationGiven, EndOutcome, KnownEnd
from services.clearance.submission.attempts.attempt_store import Attempt
from services.clearance.submission.attempts.rounds import Asked, Round
from services.clearance.submission.round.decision import Standing, decide
from services.clearance.submission.round.ends import End, end
from services.clearance.submission.round.settlement import (
    Outcome,
    Settlement,
    contradiction,
    is_clear,
    objection_reasons,
)
from services.kit.messaging.event_sets import Received
from services.kit.rules.waivers import CheckKey

REPEAT_AFTER: Final = timedelta(seconds=10)
"""By then every department has received an end that was said."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Hearing:
    """`rounds` by attempt and by part. `required`: department → the checks it attests. `now`: the database's clock.

    The rounds change as they are heard, so that a later event of the set meets them as they are by then.
    """

    rounds: Mapping[UUID, Round]
    required: Mapping[str, tuple[str, ...]]
    standing: Standing
    now: datetime
    early: list[AttestationGiven] = field(default_factory=list)
    """Of attempts that are not open yet."""
    answers: list[AttestationGiven] = field(default_factory=list)
    prolonged: list[AttestationGiven] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    unheard: list[tuple[Attempt, Received[AttestationGiven]]] = field(default_factory=list)
    """Attempts whose end has to be said again, and who has not received it."""

    def hear(self, one: Received[AttestationGiven]) -> None:
        """Raises `Unreadable`, having changed nothing."""
        event, round_ = one.event, self.rounds.get(one.event.attempt_id)
        if round_ is None:
            self.early.append(event)
            return
        asked = round_.of(event.attempt_id)
        self._validate(event, asked)
        if asked.attempt.state is not AttemptState.OPEN:
            if self._has_not_received(event, asked.attempt):
                self.unheard.append((asked.attempt, one))
        elif event.ended is not None:
            self._end(one, round_, _as_known(round_, event.ended))
        elif event.department in asked.attempt.required and self._counts(one, round_, asked):
            settlement = decide(round_, self.standing, self.now)
            if settlement.outcome is not Outcome.WAITING:
                self._end(one, round_, settlement)

    def _counts(self, one: Received[AttestationGiven], round_: Round, asked: Asked) -> bool:
        """Whether the answer is new, or held for longer than it was. Raises `Unreadable` if it is another one."""
        event, known, waived = one.event, asked.answers.get(one.event.department), asked.waivers.keys()
        if known is None:
            asked.answers[event.department] = event
            self.answers.append(event)
            return True
        if is_clear(known, waived) and not is_clear(event, waived):
            self._end(one, round_, _revoked(round_, event, waived))
            return False
        if event != known.model_copy(update={"held_until": event.held_until}):
            raise Unreadable("attempt_id: the department gave this attempt another answer before")
        if known.held_until is None or event.held_until is None or event.held_until <= known.held_until:
            return False
        asked.answers[event.department] = event
        self.prolonged.append(event)
        return True

    def _end(self, one: Received[AttestationGiven], round_: Round, settlement: Settlement) -> None:
        self.ends.append(end(round_, settlement, self.now, one))

    def _validate(self, event: AttestationGiven, asked: Asked) -> None:
        """Raises `Unreadable`."""
        if asked.attempt.student_id != event.student_id:
            raise Unreadable("attempt_id: it is another student's attempt")
        if event.department not in self.required:
            raise Unreadable("department: no attempt requires it")
        if event.department not in asked.attempt.required:
            return  # It was asked before a restore, which has lost that or what was waived then.
        wrong = contradiction(event, set(self.required.get(event.department, ())), asked.waivers.keys())
        if wrong is not None and event.ended is None:
            raise Unreadable(wrong)

    def _has_not_received(self, event: AttestationGiven, attempt: Attempt) -> bool:
        """A department that still asks has not; one that knows another end is not believed. Raises `Unreadable`."""
        accepted = attempt.state is AttemptState.ACCEPTED
        if event.ended is not None:
            if event.ended.outcome is not EndOutcome.LAPSED and accepted is not (
                event.ended.outcome is EndOutcome.ACCEPTED
            ):
                raise Unreadable("ended: the attempt has ended otherwise")
            return False
        return attempt.ended_at is not None and attempt.ended_at < self.now - REPEAT_AFTER


def may_be_accepted(round_: Round, events: Set[tuple[UUID, str]]) -> bool:
    """Whether every answer is there once `events` are heard, given as attempt and department."""
    return all(
        name in asked.answers or (asked.attempt.attempt_id, name) in events
        for asked in round_.asked
        for name in asked.attempt.required
    )


def _revoked(round_: Round, event: AttestationGiven, waived: Set[CheckKey]) -> Settlement:
    """A department whose database was restored has lost the hold that it answered with, and objects by now."""
    _log.warning("attestation.revoked", department=event.department, attempt=str(round_.whole.attempt.attempt_id))
    objections = {event.department: objection_reasons(event, waived)}
    return Settlement(Outcome.REFUSED, RefusalCause.OBJECTED, objections)


def _as_known(round_: Round, ended: KnownEnd) -> Settlement:
    """An end that this database lost, or that nobody may accept any more. Raises `Unreadable`."""
    if ended.outcome is EndOutcome.ACCEPTED:
        _log.critical("acceptance.not_restored", attempt=str(round_.whole.attempt.attempt_id))
        raise Unreadable("ended: the attempt was accepted, and its acceptance is in no topic")
    cause = ended.cause or (RefusalCause.EXPIRED if ended.outcome is EndOutcome.LAPSED else RefusalCause.OBJECTED)
    return Settlement(Outcome.REFUSED, cause)
