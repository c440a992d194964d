"""Settlement of an attempt: accepted, refused or waiting for every required department. Pure."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from schemas.attempts import RefusalCause
from schemas.events import AttestationGiven, AttestationOutcome, Reason, Verdict


class Outcome(StrEnum):
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Settlement:
    """`cause` and `objections` (by department) belong to a refusal."""

    outcome: Outcome
    cause: RefusalCause | None = None
    objections: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)


WAITING: Final = Settlement(Outcome.WAITING)
ACCEPTED: Final = Settlement(Outcome.ACCEPTED)


def settle(required: Set[str], answers: Mapping[str, AttestationGiven], *, case_open: bool) -> Settlement:
    """`answers`: each department's first. Not `case_open`: taken off the roster meanwhile."""
    if not case_open:
        return Settlement(Outcome.REFUSED, RefusalCause.CASE_NOT_OPEN)
    counted = {name: answers[name] for name in sorted(required) if name in answers}
    objections = {name: objection_reasons(answer) for name, answer in counted.items() if not is_clear(answer)}
    if objections:
        return Settlement(Outcome.REFUSED, RefusalCause.OBJECTED, objections)
    if required and counted.keys() == required:
        return ACCEPTED
    return WAITING


def is_clear(answer: AttestationGiven) -> bool:
    return answer.outcome is AttestationOutcome.CLEAR and all(check.verdict is Verdict.CLEAR for check in answer.checks)


def objection_reasons(answer: AttestationGiven) -> tuple[Reason, ...]:
    return tuple(reason for check in answer.checks for reason in check.reasons)


def contradiction(answer: AttestationGiven, checks: Set[str]) -> str | None:
    """With itself or the manifest's `checks`; None if there is none."""
    answered = {check.check for check in answer.checks}
    if not checks <= answered:
        return "checks: one that the department is responsible for is missing"
    clear = all(check.verdict is Verdict.CLEAR for check in answer.checks)
    if clear is not (answer.outcome is AttestationOutcome.CLEAR):
        return "outcome: it contradicts its checks"
    return None
