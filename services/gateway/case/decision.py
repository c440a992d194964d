from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.events import Reason, Verdict
from services.gateway.read_model.types import ReceivedStatus


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
