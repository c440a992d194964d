"""What a department could vouch for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import Fact, JobWrite, LoadWrite, QuestionWrite, RecordWrite, RowDone
from tests.support.samples.histories import NOW, WHO, journal_of, with_journal
from tests.unit.support.checker.bad_histories.registry import breaks


def without_evidence(journal: list[Fact]) -> list[Fact]:
    """The department never had a row or act about the student."""
    return [replace(fact, own=frozenset()) if isinstance(fact, RecordWrite) else fact for fact in journal]


def load(cohort: str | None = None, checks: frozenset[str] = frozenset({"arrears"}), **fields: Any) -> LoadWrite:
    return LoadWrite(**{"tx": 0, "load_id": "L", "as_of": NOW, "valid": True, **fields}, cohort=cohort, checks=checks)


def question(**fields: Any) -> QuestionWrite:
    return QuestionWrite(**{"tx": 0, "question_id": 1, "student_id": WHO, "opened_at": NOW, **fields})


@breaks("S28")
def a_pass_of_a_student_nobody_spoke_of(evidence: Evidence) -> Evidence:
    return with_journal(evidence, "finance", without_evidence(journal_of(evidence, "finance")))


@breaks("S28")
def a_pass_by_the_list_of_another_cohort(evidence: Evidence) -> Evidence:
    journal = without_evidence(journal_of(evidence, "finance"))
    return with_journal(evidence, "finance", [load("2027"), *journal])


@breaks("S28")
def a_pass_by_a_list_for_another_check(evidence: Evidence) -> Evidence:
    journal = without_evidence(journal_of(evidence, "finance"))
    return with_journal(evidence, "finance", [load(checks=frozenset({"thesis"})), *journal])


@breaks("S28")
def a_pass_that_outlives_its_withdrawn_list(evidence: Evidence) -> Evidence:
    journal = without_evidence(journal_of(evidence, "library"))
    covered = load(checks=frozenset({"borrowing"}))
    return with_journal(evidence, "library", [covered, *journal, replace(covered, valid=False)])


@breaks("S28")
def a_pass_by_a_list_that_a_refused_file_put_in_doubt(evidence: Evidence) -> Evidence:
    journal = without_evidence(journal_of(evidence, "finance"))
    doubt = question(student_id="", opened_at=NOW + timedelta(seconds=1))
    return with_journal(evidence, "finance", [load(), doubt, *journal])


@breaks("S28")
def a_pass_with_an_open_question(evidence: Evidence) -> Evidence:
    return with_journal(evidence, "finance", [question(), *journal_of(evidence, "finance")])


@breaks("S28")
def a_pass_with_a_question_that_only_a_withdrawn_list_answered(evidence: Evidence) -> Evidence:
    answered_by = question(closed_how="covered", closed_load="L")
    return with_journal(evidence, "finance", [load(valid=False), answered_by, *journal_of(evidence, "finance")])


@breaks("S28")
def a_refused_row_that_opens_no_question(evidence: Evidence) -> Evidence:
    return with_journal(evidence, "finance", [RowDone(9, "J", 2, "rejected", WHO), *journal_of(evidence, "finance")])


@breaks("S28")
def a_question_settled_by_a_row_of_its_own_file(evidence: Evidence) -> Evidence:
    own = question(tx=9, job_id="J", row=2, closed_how="settled")
    journal: list[Fact] = [
        replace(own, tx=8, closed_how=""),
        RowDone(8, "J", 2, "rejected", WHO),
        own,
        RowDone(9, "J", 3, "applied"),
    ]
    return with_journal(evidence, "finance", [*journal, *journal_of(evidence, "finance")])


@breaks("S28")
def a_list_by_a_file_that_was_read_in_part(evidence: Evidence) -> Evidence:
    rows: list[Fact] = [RowDone(9, "J", 2, "applied"), JobWrite(9, "J", True), load("2027", tx=9, job_id="J")]
    return with_journal(evidence, "finance", [*rows, *journal_of(evidence, "finance")])


@breaks("S28")
def a_list_by_a_file_with_a_row_of_nobody(evidence: Evidence) -> Evidence:
    rows: list[Fact] = [RowDone(9, "J", 2, "applied"), RowDone(9, "J", 3, "rejected"), load("2027", tx=9, job_id="J")]
    return with_journal(evidence, "finance", [*rows, *journal_of(evidence, "finance")])
