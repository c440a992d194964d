"""The state of every required check. Pure.

Unknown is never clear: unreported, unreadable, of a silent source or not known to the department is `waiting`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from schemas.events import NO_DATA, OPEN_QUESTION, UNKNOWN_REASONS, CheckStatus, Reason, Verdict
from services.gateway.read_model.types import ReceivedStatus
from services.kit.rules.waivers import CheckKey


class CheckState(StrEnum):
    """通过, 未通过, 待同步, 无需办理."""

    CLEAR = "clear"
    BLOCKED = "blocked"
    WAITING = "waiting"
    WAIVED = "waived"

    @property
    def passes(self) -> bool:
        return self is CheckState.CLEAR or self is CheckState.WAIVED


class WaitingReason(StrEnum):
    UNREPORTED = "unreported"
    UNREADABLE = "unreadable"
    STALE = "stale"
    UNAVAILABLE = "unavailable"
    NO_DATA = NO_DATA
    OPEN_QUESTION = OPEN_QUESTION
    """These two as the department says, with its reserved codes."""


class CheckResult(msgspec.Struct, frozen=True):
    department: str
    check: str
    state: CheckState
    waiting_reason: WaitingReason | None = None
    reasons: tuple[Reason, ...] = ()


_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """`checks` are in the order of `required`."""

    checks: tuple[CheckResult, ...]

    @property
    def clear(self) -> bool:
        return bool(self.checks) and all(check.state.passes for check in self.checks)

    @property
    def open(self) -> tuple[CheckResult, ...]:
        return tuple(check for check in self.checks if not check.state.passes)


def decide(
    statuses: Mapping[str, ReceivedStatus],
    required: Mapping[str, Iterable[str]],
    *,
    stale_before: datetime,
    unreadable: Collection[str] = (),
    waived: Collection[CheckKey] = (),
) -> Decision:
    """`required`: department → checks. `stale_before`: now minus the freshness bound.

    A check in `waived` is that whatever the department says, which is shown beside it.
    """
    return Decision(
        tuple(
            _waived_result(department, check, statuses.get(department))
            if (department, check) in waived
            else CheckResult(department, check, CheckState.WAITING, WaitingReason.UNREADABLE)
            if department in unreadable
            else _check_result(department, check, statuses.get(department), stale_before)
            for department, checks in required.items()
            for check in checks
        )
    )


def _waived_result(department: str, check: str, received: ReceivedStatus | None) -> CheckResult:
    reported = received.check(check) if received and received.readable else None
    return CheckResult(department, check, CheckState.WAIVED, None, reported.reasons if reported else ())


def _check_result(department: str, check: str, received: ReceivedStatus | None, stale_before: datetime) -> CheckResult:
    reported = received.check(check) if received else None
    if received is None or reported is None:
        return CheckResult(department, check, CheckState.WAITING, WaitingReason.UNREPORTED)
    if not received.readable:
        return CheckResult(department, check, CheckState.WAITING, WaitingReason.UNREADABLE, reported.reasons)
    unknown = unknown_codes(reported)
    if reported.verdict is Verdict.BLOCKED and not unknown:
        return CheckResult(department, check, CheckState.BLOCKED, None, reported.reasons)
    if received.alive_as_of is None or received.alive_as_of < stale_before:
        return CheckResult(department, check, CheckState.WAITING, WaitingReason.STALE, reported.reasons)
    if unknown:
        # A question names what is to be settled; a lack of data does not.
        code = WaitingReason.OPEN_QUESTION if OPEN_QUESTION in unknown else WaitingReason.NO_DATA
        return CheckResult(department, check, CheckState.WAITING, code, reported.reasons)
    return CheckResult(department, check, CheckState.CLEAR)


def unknown_codes(reported: CheckStatus) -> frozenset[str]:
    """Reserved codes: the department does not know, whatever the verdict says."""
    if not reported.reasons:
        return _NONE
    return UNKNOWN_REASONS & {reason.code for reason in reported.reasons}
