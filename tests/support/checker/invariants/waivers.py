"""Which checks an accepted attempt did not ask, and that it had cause for each. Pure."""

from collections.abc import Iterator
from datetime import datetime

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.tables import Attempt, ExemptionRow, Submission


def waived_checks(evidence: Evidence, attempt_id: str, department: str) -> frozenset[str]:
    """Those of the department that the attempt opened without."""
    attempt = evidence.clearance.attempts.get(attempt_id)
    waived = attempt.waived if attempt is not None else ()
    return frozenset(check for name, check, _ in waived if name == department)


def asked_checks(evidence: Evidence, attempt_id: str, department: str) -> frozenset[str]:
    return frozenset(evidence.required[department]) - waived_checks(evidence, attempt_id, department)


def waived_with_cause(evidence: Evidence) -> Iterator[str]:
    """S30: a check is skipped only under an exemption or a rule valid when the attempt opened.

    An exemption is in force at the acceptance too: the same one, or one made again after a withdrawal.
    """
    for submission in evidence.clearance.submissions:
        attempt = evidence.clearance.attempts.get(submission.attempt_id)
        if attempt is None:
            continue
        yield from _skipped(evidence, submission, attempt)


def _skipped(evidence: Evidence, submission: Submission, attempt: Attempt) -> Iterator[str]:
    frozen = {(department, check) for department, check, _ in attempt.waived}
    for department, said in submission.facts.items():
        for one in said["checks"]:
            if one["verdict"] != "clear" and (department, one["check"]) not in frozen:
                yield f"attempt {submission.attempt_id} skipped {department}'s {one['check']} without a waiver"
    for department, check, kind in attempt.waived:
        if kind == "by-rule":
            caused = (department, check) in evidence.ruled.get(submission.student_id, frozenset())
        else:
            made = [
                row
                for row in evidence.clearance.exemptions
                if (row.student_id, row.department, row.check) == (submission.student_id, department, check)
            ]
            caused = all(any(_in_force(row, at) for row in made) for at in (attempt.opened_at, attempt.ended_at))
        if not caused:
            yield f"attempt {submission.attempt_id} skipped {department}'s {check}, and nothing waived it then"


def _in_force(row: ExemptionRow, at: datetime | None) -> bool:
    if at is None:
        return True
    return row.made_at <= at < row.ends_at and (row.withdrawn_at is None or at <= row.withdrawn_at)
