"""What a department's word about a student rests on. Pure.

A check without evidence, or with an open question about it, is published blocked for a reason that readers show as
待同步: it is unknown, and unknown is never clear.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.events import NO_DATA, OPEN_QUESTION, UNKNOWN_REASONS, CheckStatus, Reason, Verdict
from services.kit.rules.assessment import Assessment
from services.kit.rules.fields import item_key

AbsentRow = Literal["clear", "blocked", "unknown"]
"""What no row about a student means, once a covering load includes them."""

_NO_DATA: Final = Reason(code=NO_DATA)
_OPEN_QUESTION: Final = Reason(code=OPEN_QUESTION)


@dataclass(frozen=True, slots=True)
class ActEvidence:
    """What an act or row is evidence for.

    `checks`: None for every check of the department. `items`: what it speaks of, as `charge:F-1`; None for the whole
    record. An open question about these items is settled by it, if it `settles`. `withdraws`: checks of which there is
    no word any more.
    """

    checks: frozenset[str] | None = None
    items: frozenset[str] | None = frozenset()
    settles: bool = True
    withdraws: frozenset[str] = frozenset()

    @property
    def blank(self) -> bool:
        """Of a row whose cells are empty but for the student: no older word is outdated by it."""
        return self.settles and self.checks == frozenset() and self.items == frozenset()


EVERY_CHECK: Final = ActEvidence()
WHOLE_RECORD: Final = ActEvidence(items=None)
NO_EVIDENCE: Final = ActEvidence(checks=frozenset(), settles=False)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one cohort. `checks`: with a covering load. `questioned`: a file was refused whole and may have held more."""

    checks: frozenset[str] = frozenset()
    questioned: bool = False


NOT_COVERED: Final = Coverage()
NO_ITEM: Final[frozenset[str]] = frozenset()


def on_evidence(
    assessment: Assessment,
    *,
    nothing: Assessment,
    own: frozenset[str],
    coverage: Coverage,
    absent: Mapping[str, AbsentRow],
    open_questions: bool,
    left_before: bool = False,
) -> Assessment:
    """`assessment`: by the rules alone, `nothing`: that of an empty record. `own`: checks with a record or act.

    Of a student who `left_before`, a check without a word of its own passes only if nothing on record means so: what
    the record still has from an earlier departure may block it and cannot clear it. Where only that would clear it, it
    is unknown. Of another it is what the record says: empty, but for what the student asked for, as the card cancelled.
    """
    if not open_questions and all(check.check in own for check in assessment.checks):
        return assessment
    checks = []
    empty = {check.check: check for check in nothing.checks}
    for check in assessment.checks:
        earlier = False
        if left_before and check.check not in own and check.verdict is Verdict.CLEAR:
            # Without a word of its own it is clear by what is on record of an earlier departure, or by nothing.
            check = empty[check.check]
            earlier = check.verdict is not Verdict.CLEAR
        if check.check not in own and (earlier or not _covered(check.check, coverage, absent)):
            reasons = (_OPEN_QUESTION,) if open_questions else (_NO_DATA,)
            checks.append(CheckStatus(check=check.check, verdict=Verdict.BLOCKED, reasons=reasons))
        elif open_questions or (check.check not in own and coverage.questioned):
            doubted = {"verdict": Verdict.BLOCKED, "reasons": (_OPEN_QUESTION, *check.reasons)}
            checks.append(check.model_copy(update=doubted))
        else:
            checks.append(check)
    return Assessment(tuple(checks))


def _covered(check: str, coverage: Coverage, absent: Mapping[str, AbsentRow]) -> bool:
    return check in coverage.checks and absent.get(check, "unknown") != "unknown"


def unknown_reason(check: CheckStatus) -> Reason | None:
    """Why nobody can vouch for the check, if so."""
    return next((reason for reason in check.reasons if reason.code in UNKNOWN_REASONS), None)


def item(kind: str, *names: Any) -> frozenset[str]:
    """The item of this kind and name, however it is spelled; empty unless it is named in full."""
    if not names or not all(names):
        return NO_ITEM
    return frozenset((":".join((kind, *item_key(*map(str, names)))),))
