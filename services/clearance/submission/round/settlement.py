"""Settlement of an attempt: accepted, refused or waiting for every required department. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from schemas.attempts import RefusalCause
from schemas.events import UNKNOWN_REASONS, AttestationGiven, AttestationOutcome, CheckStatus, Reason, Verdict
from schemas.types import MAX_CHECKS, MAX_REASONS
from services.kit.rules.waivers import CheckKey


class Outcome(StrEnum):
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Settlement:
    """`cause` and `objections` (by department) belong to a refusal; a department may know another cause."""

    outcome: Outcome
    cause: RefusalCause | str | None = None
    objections: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)


WAITING: Final = Settlement(Outcome.WAITING)
ACCEPTED: Final = Settlement(Outcome.ACCEPTED)


def settle(
    required: Set[str],
    answers: Mapping[str, AttestationGiven],
    *,
    case_open: bool,
    waived: Set[CheckKey] = frozenset(),
) -> Settlement:
    """`answers`: each department's first. Not `case_open`: taken off the roster meanwhile. `waived`: not asked."""
    if not case_open:
        return Settlement(Outcome.REFUSED, RefusalCause.CASE_NOT_OPEN)
    counted = {name: answers[name] for name in sorted(required) if name in answers}
    objections = {
        name: objection_reasons(answer, waived) for name, answer in counted.items() if not is_clear(answer, waived)
    }
    if objections:
        return Settlement(Outcome.REFUSED, RefusalCause.OBJECTED, objections)
    if required and counted.keys() == required:
        return ACCEPTED
    return WAITING


def in_time(settlement: Settlement, *, expired: bool, held: bool = True) -> Settlement:
    """Nothing is accepted after the attempt's life: departments may have let go of what they attested.

    Not `held`: a hold that it counts on has ended before, and may have been prolonged meanwhile.
    """
    if settlement.outcome is not Outcome.ACCEPTED:
        return settlement
    if expired:
        return Settlement(Outcome.REFUSED, RefusalCause.EXPIRED)
    return settlement if held else WAITING


def combined(settlements: Sequence[Settlement]) -> Settlement:
    """Of an attempt and its parts: one refusal refuses all, and all must be accepted."""
    refused = [one for one in settlements if one.outcome is Outcome.REFUSED]
    if refused:
        objections: dict[str, tuple[Reason, ...]] = {}
        for one in refused:
            for name, reasons in one.objections.items():
                objections[name] = (*objections.get(name, ()), *reasons)[: MAX_CHECKS * MAX_REASONS]
        return Settlement(Outcome.REFUSED, refused[0].cause, objections)
    return ACCEPTED if all(one.outcome is Outcome.ACCEPTED for one in settlements) else WAITING


def is_clear(answer: AttestationGiven, waived: Set[CheckKey] = frozenset()) -> bool:
    """An objection is none, whatever it rests on: it placed no hold for the checks that were asked."""
    return answer.outcome is AttestationOutcome.CLEAR and not _blocked(answer, waived)


def objection_reasons(answer: AttestationGiven, waived: Set[CheckKey] = frozenset()) -> tuple[Reason, ...]:
    """Of the blocked checks that were asked; of all, if a department objects for a waived one."""
    blocked = _blocked(answer, waived) or answer.checks
    return tuple(reason for check in blocked for reason in check.reasons)


def contradiction(answer: AttestationGiven, checks: Set[str], waived: Set[CheckKey] = frozenset()) -> str | None:
    """With itself or the manifest's `checks`; None if there is none."""
    answered = {check.check for check in answer.checks}
    if not checks <= answered:
        return "checks: one that the department is responsible for is missing"
    # A department that does not read what is waived may object for a waived check alone.
    blocked = _blocked(answer, waived if answer.outcome is AttestationOutcome.CLEAR else frozenset())
    if bool(blocked) is (answer.outcome is AttestationOutcome.CLEAR):
        return "outcome: it contradicts its checks"
    return None


def _blocked(answer: AttestationGiven, waived: Set[CheckKey]) -> tuple[CheckStatus, ...]:
    return tuple(
        check for check in answer.checks if not _passes(check) and (answer.department, check.check) not in waived
    )


def _passes(check: CheckStatus) -> bool:
    """What a department does not know is no pass, whatever verdict it gives."""
    unknown = any(reason.code in UNKNOWN_REASONS for reason in check.reasons)
    return check.verdict is Verdict.CLEAR and not unknown
