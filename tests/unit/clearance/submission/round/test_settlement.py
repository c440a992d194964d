"""How an attempt ends: over every combination of answers, and never on a pass nobody gave."""

from datetime import UTC, datetime
from itertools import product
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.attempts import RefusalCause
from schemas.events import UNKNOWN_REASONS, AttestationGiven, AttestationOutcome, CheckStatus, Reason, Verdict
from services.clearance.submission.round.settlement import Outcome, contradiction, settle

NOW = datetime(2026, 6, 10, 8, tzinfo=UTC)
ATTEMPT = uuid4()
REQUIRED = frozenset({"library", "archives", "dorm"})
OWED = Reason(code="arrears", parameters={"total": "12.00"})


def answer(department: str, clear: bool = True, *, checks: tuple[str, ...] = ("one",)) -> AttestationGiven:
    verdict = Verdict.CLEAR if clear else Verdict.BLOCKED
    said = tuple(CheckStatus(check=name, verdict=verdict, reasons=() if clear else (OWED,)) for name in checks)
    return AttestationGiven(
        attempt_id=ATTEMPT,
        student_id="TS20269001",
        department=department,
        outcome=AttestationOutcome.CLEAR if clear else AttestationOutcome.OBJECTED,
        version=3,
        checks=said,
        attested_at=NOW,
    )


@pytest.mark.parametrize("said", list(product((None, True, False), repeat=3)))
def test_accepted_exactly_when_every_required_department_says_clear(said: tuple[bool | None, ...]) -> None:
    given_ = {
        name: answer(name, clear) for name, clear in zip(sorted(REQUIRED), said, strict=True) if clear is not None
    }
    outcome = settle(REQUIRED, given_, case_open=True).outcome
    if False in said:
        assert outcome is Outcome.REFUSED
    else:
        assert outcome is (Outcome.WAITING if None in said else Outcome.ACCEPTED)


def test_an_objection_carries_the_reasons_of_those_who_object_and_of_nobody_else() -> None:
    settlement = settle(REQUIRED, {"dorm": answer("dorm", False), "library": answer("library")}, case_open=True)
    assert (settlement.cause, settlement.objections) == (RefusalCause.OBJECTED, {"dorm": (OWED,)})


@given(st.sets(st.sampled_from(["finance", "sports", "hospital"]), min_size=1))
def test_the_answer_of_a_department_nobody_asked_stands_for_none_that_was(strangers: set[str]) -> None:
    answers = {name: answer(name) for name in strangers}
    assert settle(REQUIRED, answers, case_open=True).outcome is Outcome.WAITING
    assert settle(REQUIRED, {**answers, "dorm": answer("dorm")}, case_open=True).outcome is Outcome.WAITING


def test_an_objection_of_a_department_nobody_asked_stops_nothing() -> None:
    answers = {name: answer(name) for name in REQUIRED} | {"sports": answer("sports", False)}
    assert settle(REQUIRED, answers, case_open=True).outcome is Outcome.ACCEPTED


def test_nobody_required_is_no_acceptance() -> None:
    assert settle(frozenset(), {}, case_open=True).outcome is Outcome.WAITING


def test_a_case_closed_meanwhile_refuses_whatever_was_answered() -> None:
    answers = {name: answer(name) for name in REQUIRED}
    settlement = settle(REQUIRED, answers, case_open=False)
    assert (settlement.outcome, settlement.cause) == (Outcome.REFUSED, RefusalCause.CASE_NOT_OPEN)


def test_clear_as_a_whole_with_a_blocked_check_passes_nothing() -> None:
    lying = answer("dorm", False).model_copy(update={"outcome": AttestationOutcome.CLEAR})
    answers = {name: answer(name) for name in REQUIRED} | {"dorm": lying}
    assert settle(REQUIRED, answers, case_open=True).outcome is Outcome.REFUSED
    assert (contradiction(lying, {"one"}) or "").startswith("outcome: ")


@pytest.mark.parametrize("code", sorted(UNKNOWN_REASONS))
def test_clear_with_a_reason_that_nobody_knows_passes_nothing(code: str) -> None:
    said = CheckStatus(check="one", verdict=Verdict.CLEAR, reasons=(Reason(code=code),))
    unknown = answer("dorm").model_copy(update={"checks": (said,)})
    assert settle({"dorm"}, {"dorm": unknown}, case_open=True).outcome is Outcome.REFUSED
    assert (contradiction(unknown, {"one"}) or "").startswith("outcome: ")


def test_an_answer_that_leaves_out_a_check_of_its_department_contradicts_the_manifest() -> None:
    missing = contradiction(answer("library", checks=("borrowing",)), {"borrowing", "thesis"})
    assert (missing or "").startswith("checks: ")
    assert contradiction(answer("library", checks=("borrowing", "thesis")), {"borrowing", "thesis"}) is None
    assert contradiction(answer("library", False, checks=("borrowing", "thesis")), {"thesis"}) is None


THESIS = frozenset({("library", "thesis")})


def library(outcome: AttestationOutcome, **blocked: bool) -> AttestationGiven:
    """An answer of the library; blocked checks by name."""
    said = tuple(
        CheckStatus(
            check=name, verdict=Verdict.BLOCKED if is_blocked else Verdict.CLEAR, reasons=(OWED,) if is_blocked else ()
        )
        for name, is_blocked in blocked.items()
    )
    return answer("library").model_copy(update={"outcome": outcome, "checks": said})


@pytest.mark.parametrize(("borrowing", "thesis"), list(product((True, False), repeat=2)))
@pytest.mark.parametrize("outcome", list(AttestationOutcome))
@pytest.mark.parametrize("waived", [THESIS, frozenset(), frozenset({("dorm", "thesis")})])
def test_a_waived_check_passes_with_a_hold_and_only_for_its_department(
    outcome: AttestationOutcome, borrowing: bool, thesis: bool, waived: frozenset[tuple[str, str]]
) -> None:
    given_ = library(outcome, borrowing=borrowing, thesis=thesis)
    settlement = settle({"library"}, {"library": given_}, case_open=True, waived=waived)
    passes = outcome is AttestationOutcome.CLEAR and not borrowing and (not thesis or waived == THESIS)
    assert (settlement.outcome is Outcome.ACCEPTED) is passes


def test_a_clear_answer_contradicts_itself_unless_what_is_blocked_was_waived() -> None:
    checks = {"borrowing", "thesis"}
    without_thesis = library(AttestationOutcome.CLEAR, borrowing=False, thesis=True)
    assert contradiction(without_thesis, checks, THESIS) is None
    assert (contradiction(without_thesis, checks) or "").startswith("outcome: ")
    owing = library(AttestationOutcome.CLEAR, borrowing=True, thesis=True)
    assert (contradiction(owing, checks, THESIS) or "").startswith("outcome: ")


def test_a_department_that_objects_for_a_waived_check_alone_has_placed_no_hold_and_stops_the_attempt() -> None:
    older = library(AttestationOutcome.OBJECTED, borrowing=False, thesis=True)
    assert contradiction(older, {"borrowing", "thesis"}, THESIS) is None
    settlement = settle({"library"}, {"library": older}, case_open=True, waived=THESIS)
    assert (settlement.outcome, settlement.objections) == (Outcome.REFUSED, {"library": (OWED,)})
