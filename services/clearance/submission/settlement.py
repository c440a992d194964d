"""How an attempt ends, from what the departments answered. Pure: no driver, no clock.

Every required department is asked by name: one that has not answered is waited for, whatever the others said, and an
answer of anybody else counts for nothing.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from schemas.events import AttestationGiven, AttestationOutcome, Reason, Verdict

OBJECTED: Final = "objected"
EXPIRED: Final = "expired"
CASE_NOT_OPEN: Final = "case-not-open"
ANOTHER_OPEN: Final = "another-attempt-open"
ALREADY_SUBMITTED: Final = "already-submitted"


class Outcome(StrEnum):
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Settlement:
    """`cause` and `objections` (department → its reasons) of a refusal."""

    outcome: Outcome
    cause: str = ""
    objections: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)


WAITING: Final = Settlement(Outcome.WAITING)
ACCEPTED: Final = Settlement(Outcome.ACCEPTED)


def settle(required: Set[str], answers: Mapping[str, AttestationGiven], *, case_open: bool) -> Settlement:
    """What follows for an open attempt. `answers` holds each department's first answer to this attempt.

    `case_open`: whether the student's case is still open; the roster may have taken the student off meanwhile.
    """
    if not case_open:
        return Settlement(Outcome.REFUSED, CASE_NOT_OPEN)
    counted = {name: answers[name] for name in sorted(required) if name in answers}
    objections = {name: objection_reasons(answer) for name, answer in counted.items() if not is_clear(answer)}
    if objections:
        return Settlement(Outcome.REFUSED, OBJECTED, objections)
    if required and counted.keys() == required:
        return ACCEPTED
    return WAITING


def is_clear(answer: AttestationGiven) -> bool:
    """Whether an answer says clear, as a whole and in each of its checks."""
    return answer.outcome is AttestationOutcome.CLEAR and all(check.verdict is Verdict.CLEAR for check in answer.checks)


def objection_reasons(answer: AttestationGiven) -> tuple[Reason, ...]:
    return tuple(reason for check in answer.checks for reason in check.reasons)


def contradiction(answer: AttestationGiven, checks: Set[str]) -> str | None:
    """Why an answer cannot be what its department means, or None. `checks` are those its manifest asks for."""
    said = {check.check for check in answer.checks}
    if not checks <= said:
        return "checks: one that the department has to answer for is missing"
    clear = all(check.verdict is Verdict.CLEAR for check in answer.checks)
    if clear is not (answer.outcome is AttestationOutcome.CLEAR):
        return "outcome: it says something else than its checks"
    return None
