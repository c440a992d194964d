"""Which lines of a student turned between two statuses of a department. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.events import UNKNOWN_REASONS, CheckStatus, Verdict


class LineState(StrEnum):
    CLEAR = "clear"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Turn:
    check: str
    before: LineState
    after: LineState


def line_state(check: CheckStatus) -> LineState:
    """Unknown where the department does not know, whatever the verdict says, as on the page."""
    if any(reason.code in UNKNOWN_REASONS for reason in check.reasons):
        return LineState.UNKNOWN
    return LineState.CLEAR if check.verdict is Verdict.CLEAR else LineState.BLOCKED


def known_states(known: Mapping[str, LineState], checks: Iterable[CheckStatus]) -> dict[str, LineState]:
    """Check → its last state that was not unknown, by `known` and a newer status."""
    found = {check.check: line_state(check) for check in checks}
    return {**known, **{name: state for name, state in found.items() if state is not LineState.UNKNOWN}}


def turns(
    known: Mapping[str, LineState], checks: Iterable[CheckStatus], waived: Collection[str] = ()
) -> tuple[Turn, ...]:
    """A first known state is none: of a cohort that was just loaded every line would be one. Nor is a waived check."""
    after = known_states(known, checks)
    return tuple(
        Turn(name, known[name], state)
        for name, state in after.items()
        if name in known and known[name] is not state and name not in waived
    )
