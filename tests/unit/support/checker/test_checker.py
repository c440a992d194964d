"""The checker itself: silent on a good history, and loud on each bad one, by the invariant that it breaks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.checker.checker import CHECKS, check, report
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import FormVoided, Issued, IssueUndone, OutboxInsert
from tests.support.checker.evidence.tables import OpenDeadLetter
from tests.support.samples.histories import ATTEMPT, NOW, WHO, good, journal_of, with_journal
from tests.unit.support.checker.bad_histories.forms import after_acceptance
from tests.unit.support.checker.bad_histories.knowledge import load, question, without_evidence
from tests.unit.support.checker.bad_histories.messages import a_row_that_still_waits_at_rest
from tests.unit.support.checker.bad_histories.registry import BAD
from tests.unit.support.checker.bad_histories.waivers import exemption, waived


def test_a_check_that_was_waived_with_cause_is_no_anomaly() -> None:
    assert [one for one in check(waived(good(), exemption())) if one.invariant != "S4"] == []
    ruled = replace(waived(good(), kind="by-rule"), ruled={WHO: frozenset({("finance", "arrears")})})
    assert [one for one in check(ruled) if one.invariant != "S4"] == []


def test_an_exemption_withdrawn_and_made_again_while_the_attempt_was_open_is_no_anomaly() -> None:
    withdrawn_at, again_at = NOW + timedelta(milliseconds=1), NOW + timedelta(milliseconds=2)
    history = waived(good(), exemption(withdrawn_at=withdrawn_at), exemption(made_at=again_at))
    assert [one for one in check(history) if one.invariant != "S4"] == []


def test_a_list_of_the_cohort_vouches_and_one_as_of_later_answers_a_refused_file() -> None:
    journal = without_evidence(journal_of(good(), "finance"))
    assert check(with_journal(good(), "finance", [load(), *journal])) == []
    doubt = question(student_id="", opened_at=NOW)
    assert check(with_journal(good(), "finance", [doubt, load(as_of=NOW + timedelta(seconds=1)), *journal])) == []


def test_a_good_history_has_no_anomaly() -> None:
    assert check(good()) == []
    assert report(good()).endswith("no anomaly")


@pytest.mark.parametrize(("invariant", "make"), [(i, m) for i, _, m in BAD], ids=[f"{i}-{n}" for i, n, _ in BAD])
def test_the_checker_sees(invariant: str, make: Callable[[Evidence], Evidence]) -> None:
    found = check(make(good()))
    assert invariant in [anomaly.invariant for anomaly in found], report(make(good()))
    assert all(anomaly.count and anomaly.example for anomaly in found)


def test_every_invariant_has_a_bad_history() -> None:
    assert {invariant for invariant, _, _ in BAD} == CHECKS.keys()


def test_what_the_test_forged_itself_may_be_parked() -> None:
    evidence = good()
    forged = next(fact for fact in evidence.clearance.service.journal if isinstance(fact, OutboxInsert))
    letter = OpenDeadLetter("x.clearance", forged.topic, evidence.records[-1].value, "nobody asked")
    service = replace(evidence.clearance.service, dead_letters=(letter,))
    parked = replace(evidence, clearance=replace(evidence.clearance, service=service))
    assert [anomaly.invariant for anomaly in check(parked)] == ["S13"]
    assert check(replace(parked, forged=frozenset({evidence.records[-1].event_id}))) == []


def test_before_things_have_come_to_rest_only_what_holds_always_is_asked() -> None:
    waiting = replace(a_row_that_still_waits_at_rest(good()), settled=False)
    assert [anomaly.invariant for anomaly in check(waiting)] == ["L3"], "and that they did not is said"


def test_a_form_voided_and_replaced_and_a_hand_over_undone_and_made_again_are_no_anomaly() -> None:
    issued, undone = Issued(9, ATTEMPT, 1, frozenset()), IssueUndone(10, ATTEMPT, 1)
    again, undone_too = Issued(11, ATTEMPT, 2, frozenset()), IssueUndone(12, ATTEMPT, 2)
    history = after_acceptance(good(), issued, undone, again, undone_too, FormVoided(13, WHO, ATTEMPT))
    assert check(history) == []
