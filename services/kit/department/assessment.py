"""What a department may say and what follows from what all of them said. Pure: no driver, no clock.

Unknown is never clear: a check nobody reported, that cannot be read, or whose source has fallen silent is `waiting`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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


class CheckState(StrEnum):
    """What the student sees of one check: 通过, 未通过, 待同步."""

    CLEAR = "clear"
    BLOCKED = "blocked"
    WAITING = "waiting"


class WaitingReason(StrEnum):
    """Why a check is `waiting`."""

    UNREPORTED = "unreported"
    UNREADABLE = "unreadable"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class ReceivedStatus:
    """One row of the view as a reader judges it: the newest status, and whether it can be relied on now."""

    status: StatusChanged
    heard_at: datetime
    readable: bool
    alive_as_of: datetime | None
    """The source's newest alive mark on this student's partition; None when it never gave one."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    department: str
    check: str
    state: CheckState
    doubt: WaitingReason | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Every required check with its state, in the order of `required`."""

    checks: tuple[CheckResult, ...]

    @property
    def clear(self) -> bool:
        return bool(self.checks) and all(check.state is CheckState.CLEAR for check in self.checks)

    @property
    def open(self) -> tuple[CheckResult, ...]:
        return tuple(check for check in self.checks if check.state is not CheckState.CLEAR)


def decide(
    heard: Mapping[str, ReceivedStatus],
    required: Mapping[str, Iterable[str]],
    *,
    stale_before: datetime,
) -> Decision:
    """The state of every required check (department → its checks). `stale_before` is now minus the freshness bound."""
    return Decision(
        tuple(
            _state(department, check, heard.get(department), stale_before)
            for department, checks in required.items()
            for check in checks
        )
    )


def _state(department: str, check: str, heard: ReceivedStatus | None, stale_before: datetime) -> CheckResult:
    said = next((status for status in heard.status.checks if status.check == check), None) if heard else None
    if heard is None or said is None:
        return CheckResult(department, check, CheckState.WAITING, WaitingReason.UNREPORTED)
    if not heard.readable:
        return CheckResult(department, check, CheckState.WAITING, WaitingReason.UNREADABLE, said.reasons)
    if said.verdict is Verdict.BLOCKED:
        return CheckResult(department, check, CheckState.BLOCKED, None, said.reasons)
    if heard.alive_as_of is None or heard.alive_as_of < stale_before:
        return CheckResult(department, check, CheckState.WAITING, WaitingReason.STALE)
    return CheckResult(department, check, CheckState.CLEAR)
