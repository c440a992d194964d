"""From checks to the numbered status. Pure: no driver, no clock."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from schemas.events import CheckStatus, Reason, StatusChanged, Verdict


@dataclass(frozen=True, slots=True)
class Assessment:
    checks: tuple[CheckStatus, ...]

    @property
    def clear(self) -> bool:
        return bool(self.checks) and all(check.verdict is Verdict.CLEAR for check in self.checks)

    @property
    def blocked(self) -> tuple[str, ...]:
        """Names of the checks that are not clear."""
        return tuple(check.check for check in self.checks if check.verdict is not Verdict.CLEAR)

    def clear_without(self, waived: Collection[str]) -> bool:
        """Whether every check but the `waived` is clear."""
        return bool(self.checks) and all(name in waived for name in self.blocked)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(reason for check in self.checks for reason in check.reasons)


def check_status(check: str, blockers: Iterable[Reason], facts: Mapping[str, JsonValue]) -> CheckStatus:
    """Clear exactly when there is no blocker."""
    reasons = tuple(blockers)
    verdict = Verdict.BLOCKED if reasons else Verdict.CLEAR
    return CheckStatus(check=check, verdict=verdict, reasons=reasons, facts=dict(facts))


def next_status(
    previous: StatusChanged | None,
    assessment: Assessment,
    *,
    student_id: str,
    department: str,
    cause: Reason,
    now: datetime,
    floor: int = 0,
    again: bool = False,
) -> StatusChanged | None:
    """None when it would repeat `previous`, unless `again`.

    `floor`: up to here versions may have been published that are not known any more; `previous` may be one of them.
    """
    latest = 0 if previous is None else previous.version
    if previous is not None and previous.checks == assessment.checks and latest > floor and not again:
        return None
    return StatusChanged(
        student_id=student_id,
        department=department,
        version=max(latest, floor) + 1,
        occurred_at=now,
        cause=cause,
        checks=assessment.checks,
    )
