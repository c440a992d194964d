"""Forms: what is signed, handed over, void and replaced."""

from dataclasses import replace

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import ExceptionWrite, Fact, FormVoided, Issued, IssueUndone
from tests.support.samples.histories import ATTEMPT, WHO, journal_of, receipt, with_journal
from tests.unit.support.checker.bad_histories.registry import OTHER, breaks


@breaks("S17")
def a_form_with_one_letter_changed(evidence: Evidence) -> Evidence:
    form = evidence.clearance.submissions[0]
    text = form.receipt[:60] + ("A" if form.receipt[60] != "A" else "B") + form.receipt[61:]
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(replace(form, receipt=text),)))


@breaks("S17")
def a_form_of_another_submission(evidence: Evidence) -> Evidence:
    form = evidence.clearance.submissions[0]
    text = receipt(dict(form.facts), form="2026-777777")
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(replace(form, receipt=text),)))


def after_acceptance(evidence: Evidence, *facts: Fact) -> Evidence:
    return with_journal(evidence, "clearance", [*journal_of(evidence, "clearance"), *facts])


@breaks("S26")
def a_hand_over_of_a_void_form(evidence: Evidence) -> Evidence:
    return after_acceptance(evidence, FormVoided(9, WHO, ATTEMPT), Issued(10, ATTEMPT, 1, frozenset()))


@breaks("S26")
def a_void_of_a_form_whose_certificates_are_out(evidence: Evidence) -> Evidence:
    return after_acceptance(evidence, Issued(9, ATTEMPT, 1, frozenset({"finance 2"})), FormVoided(10, WHO, ATTEMPT))


@breaks("S26")
def certificates_handed_over_twice(evidence: Evidence) -> Evidence:
    return after_acceptance(evidence, *(Issued(9 + number, ATTEMPT, number, frozenset()) for number in (1, 2)))


@breaks("S26")
def a_hand_over_that_overlooks_an_exception(evidence: Evidence) -> Evidence:
    opened = [ExceptionWrite(9, ATTEMPT, name, True) for name in ("finance 9", "roster 1")]
    return after_acceptance(evidence, *opened, Issued(10, ATTEMPT, 1, frozenset({"roster 1"})))


@breaks("S26")
def an_undo_of_a_hand_over_that_does_not_stand(evidence: Evidence) -> Evidence:
    undone = IssueUndone(10, ATTEMPT, 1)
    return after_acceptance(evidence, Issued(9, ATTEMPT, 1, frozenset()), undone, undone)


@breaks("S27")
def a_second_form_of_a_case_that_replaces_none(evidence: Evidence) -> Evidence:
    form = evidence.clearance.submissions[0]
    other = replace(form, attempt_id=OTHER, form_number="2026-000002")
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(form, other)))


@breaks("S27")
def a_form_that_replaces_one_that_stands(evidence: Evidence) -> Evidence:
    form = evidence.clearance.submissions[0]
    other = replace(form, attempt_id=OTHER, form_number="2026-000002", replaces=form.form_number)
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(form, other)))
