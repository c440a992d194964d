"""Answers of departments as small numbers, and what the product's own functions say of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Final
from uuid import UUID

from schemas.events import AttestationGiven, AttestationOutcome, CheckStatus, EndOutcome
from services.clearance.submission.round.settlement import Outcome, in_time, settle
from services.kit.department.rounds.attestation import known_end
from services.kit.rules.assessment import Assessment, check_status
from services.kit.rules.reasons import CHANGE_WAITING

NONE, _HELD_1, _HELD_2, OBJECTED, LAPSED, ENDED_REFUSED, ENDED_ACCEPTED = range(7)
HELD: Final[Mapping[int, int]] = {1: _HELD_1, 2: _HELD_2}
"""Clear, and held until."""
_UNTIL: Final = {answer: until for until, answer in HELD.items()}
_ENDED: Final = {
    EndOutcome.LAPSED: LAPSED,
    EndOutcome.REFUSED: ENDED_REFUSED,
    EndOutcome.ACCEPTED: ENDED_ACCEPTED,
}


def held_until(answer: int) -> int:
    return _UNTIL[answer]


def is_prolonged(known: int, answer: int) -> bool:
    """The same answer, held for longer."""
    return known in _UNTIL and answer in _UNTIL and _UNTIL[known] < _UNTIL[answer]


@cache
def answer_about_an_end(accepted: bool, refused: bool, lapsed: bool) -> int:
    """NONE while the attempt may go on."""
    outcome = EndOutcome.ACCEPTED if accepted else EndOutcome.REFUSED if refused else None
    ended = known_end(outcome, None, lapsed=lapsed)
    return NONE if ended is None else _ENDED[ended.outcome]


@cache
def decided(answers: Sequence[int], *, expired: bool, held: bool, every_department: bool) -> bool | None:
    """Of the answers of all departments: accepted, refused, or None while it waits."""
    given = {f"d{name}": _attestation(f"d{name}", answer) for name, answer in enumerate(answers) if answer != NONE}
    required = {f"d{name}" for name in range(len(answers))} if every_department else given.keys()
    settlement = in_time(settle(required, given, case_open=True), expired=expired, held=held)
    return {Outcome.ACCEPTED: True, Outcome.REFUSED: False, Outcome.WAITING: None}[settlement.outcome]


def _attestation(name: str, answer: int) -> AttestationGiven:
    assessment = Assessment((_check(owes=answer == OBJECTED),))
    outcome = AttestationOutcome.CLEAR if assessment.clear_without(()) else AttestationOutcome.OBJECTED
    return AttestationGiven(
        attempt_id=UUID(int=1),
        student_id="TS20269001",
        department=name,
        outcome=outcome,
        version=1,
        checks=assessment.checks,
        attested_at=datetime(2026, 6, 10, tzinfo=UTC),
    )


def _check(*, owes: bool) -> CheckStatus:
    return check_status("one", [CHANGE_WAITING()] if owes else [], {})
