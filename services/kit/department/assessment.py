"""What a department may say and what follows from what all of them said. Pure: no driver, no clock.

Unknown is never clear: a check nobody reported, that cannot be read, or whose source has fallen silent is `waiting`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from schemas.events import CheckStatus, Reason, StatusChanged, Verdict


@dataclass(frozen=True, slots=True)
class Assessment:
    """A department's rules applied to one record: one `CheckStatus` for each of the department's checks."""

    checks: tuple[CheckStatus, ...]

    @property
    def clear(self) -> bool:
        return bool(self.checks) and all(check.verdict is Verdict.CLEAR for check in self.checks)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(reason for check in self.checks for reason in check.reasons)


def check_status(check: str, reasons: Iterable[Reason], facts: Mapping[str, JsonValue]) -> CheckStatus:
    """A check is clear exactly when nothing speaks against it."""
    against = tuple(reasons)
    verdict = Verdict.BLOCKED if against else Verdict.CLEAR
    return CheckStatus(check=check, verdict=verdict, reasons=against, facts=dict(facts))


def next_status(
    previous: StatusChanged | None,
    assessment: Assessment,
    *,
    student_id: str,
    department: str,
    cause: Reason,
    now: datetime,
) -> StatusChanged | None:
    """The department's next word on the student, or None when it would repeat the previous one."""
    if previous is not None and previous.checks == assessment.checks:
        return None
    return StatusChanged(
        student_id=student_id,
        department=department,
        version=1 if previous is None else previous.version + 1,
        occurred_at=now,
        cause=cause,
        checks=assessment.checks,
    )
