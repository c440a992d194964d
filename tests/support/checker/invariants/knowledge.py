"""Invariant of what a department vouches for: no check is clear without evidence, or with a question open. Pure."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from schemas.events import StatusChanged, Verdict
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import Attested, LoadWrite, OutboxInsert, QuestionWrite, RowDone
from tests.support.checker.evidence.tables import DepartmentTables
from tests.support.checker.evidence.vouching import Imports, Vouching, replayed


def clear_on_evidence(evidence: Evidence) -> Iterator[str]:
    """S28: what is published, attested or shown as clear, the department could vouch for when it was said.

    A refused row of a readable student opens its question with its outcome, no row of the same file settles it, and a
    file that was not read whole covers nobody.
    """
    for name, department in evidence.departments.items():
        yield from _statuses(name, department, evidence.absent[name])
        yield from _questions(name, department)
        yield from _loads(name, department)
    if evidence.settled:
        yield from _at_rest(evidence)


def _statuses(name: str, department: DepartmentTables, absent: Mapping[str, str]) -> Iterator[str]:
    for fact, vouching in replayed(absent, department.service.journal):
        if isinstance(fact, OutboxInsert) and isinstance(fact.event, StatusChanged):
            if groundless := _clear(fact.event) - vouching.clear_checks(fact.event.student_id):
                yield f"{name} published {sorted(groundless)} as clear in version {fact.event.version} without evidence"
        elif isinstance(fact, Attested) and (groundless := fact.clear_checks - vouching.clear_checks(fact.student_id)):
            yield f"{name} attested {sorted(groundless)} as clear to attempt {fact.attempt_id} without evidence"


def _questions(name: str, department: DepartmentTables) -> Iterator[str]:
    journal = department.service.journal
    jobs = {(fact.tx, fact.job_id) for fact in journal if isinstance(fact, RowDone) and fact.state != "pending"}
    opened = {(fact.tx, fact.job_id, fact.row) for fact in journal if isinstance(fact, QuestionWrite)}
    for fact in journal:
        if isinstance(fact, RowDone) and fact.student_id and (fact.tx, fact.job_id, fact.row) not in opened:
            yield f"{name} refused row {fact.row} of a readable student and opened no question"
        elif isinstance(fact, QuestionWrite) and fact.closed_how == "settled" and (fact.tx, fact.job_id) in jobs:
            yield f"{name} let a row of the same file settle the question of row {fact.row}"


def _loads(name: str, department: DepartmentTables) -> Iterator[str]:
    imports = Imports()
    known: set[str] = set()
    for fact in department.service.journal:
        imports.apply(fact)
        if isinstance(fact, LoadWrite) and fact.load_id not in known:
            known.add(fact.load_id)
            if fact.job_id and imports.unread(fact.job_id):
                yield f"{name} let a file that was not read whole cover {fact.cohort or 'everybody'}"


def _at_rest(evidence: Evidence) -> Iterator[str]:
    vouching = {name: Vouching(absent) for name, absent in evidence.absent.items()}
    for name, department in evidence.departments.items():
        for fact in department.service.journal:
            vouching[name].apply(fact)
        for student_id, newest in department.records.items():
            if groundless := _clear_in(newest.status) - vouching[name].clear_checks(student_id):
                yield f"{name}'s newest status calls {sorted(groundless)} clear, for which it can vouch no more"
    for (student_id, name), shown in evidence.clearance.view.items():
        if shown.readable and (groundless := _clear_in(shown.status) - vouching[name].clear_checks(student_id)):
            yield f"the view shows {sorted(groundless)} of {name} as clear, for which it can vouch no more"


def _clear_in(status: str) -> frozenset[str]:
    """One that cannot be read is S3's."""
    try:
        return _clear(StatusChanged.model_validate_json(status))
    except ValidationError:
        return frozenset()


def _clear(status: StatusChanged) -> frozenset[str]:
    return frozenset(check.check for check in status.checks if check.verdict is Verdict.CLEAR)
