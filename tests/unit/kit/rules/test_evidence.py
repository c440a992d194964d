"""What a department may say on which evidence."""

from collections.abc import Mapping

import pytest

from schemas.events import NO_DATA, OPEN_QUESTION, CheckStatus, Reason, Verdict
from services.kit.rules.assessment import Assessment, check_status
from services.kit.rules.evidence import NOT_COVERED, AbsentRow, Coverage, item, on_evidence, unknown_reason

ARREARS = Reason(code="arrears")
CLEAR = check_status("one", (), {"total": "0.00"})
BLOCKED = check_status("one", (ARREARS,), {"total": "1.00"})
COVERED = Coverage(frozenset({"one"}))
MEANS_CLEAR: Mapping[str, AbsentRow] = {"one": "clear"}


def said(
    check: CheckStatus,
    *,
    own: frozenset[str] = frozenset(),
    coverage: Coverage = NOT_COVERED,
    absent: Mapping[str, AbsentRow] = MEANS_CLEAR,
    open_questions: bool = False,
    nothing: CheckStatus = CLEAR,
    left_before: bool = False,
) -> CheckStatus:
    assessment = Assessment((check,))
    (result,) = on_evidence(
        assessment,
        nothing=Assessment((nothing,)),
        own=own,
        coverage=coverage,
        absent=absent,
        open_questions=open_questions,
        left_before=left_before,
    ).checks
    return result


def codes(check: CheckStatus) -> list[str]:
    return [reason.code for reason in check.reasons]


def test_without_evidence_nothing_is_said_not_even_facts() -> None:
    check = said(CLEAR)
    assert (check.verdict, codes(check), check.facts) == (Verdict.BLOCKED, [NO_DATA], {})


@pytest.mark.parametrize("check", [CLEAR, BLOCKED])
def test_a_record_or_act_about_the_student_is_evidence(check: CheckStatus) -> None:
    assert said(check, own=frozenset({"one"})) == check


def test_evidence_of_one_check_is_none_of_another() -> None:
    assert codes(said(CLEAR, own=frozenset({"two"}))) == [NO_DATA]


def test_a_complete_list_speaks_of_who_has_no_row() -> None:
    assert said(CLEAR, coverage=COVERED) == CLEAR


def test_a_check_whose_absent_row_means_nothing_waits_for_a_word_of_its_own() -> None:
    assert codes(said(CLEAR, coverage=COVERED, absent={"one": "unknown"})) == [NO_DATA]
    assert codes(said(CLEAR, coverage=COVERED, absent={})) == [NO_DATA]


def test_an_open_question_keeps_what_is_known_and_passes_nothing() -> None:
    own = frozenset({"one"})
    check = said(CLEAR, own=own, open_questions=True)
    assert (check.verdict, codes(check), check.facts) == (Verdict.BLOCKED, [OPEN_QUESTION], CLEAR.facts)
    assert codes(said(BLOCKED, own=own, open_questions=True)) == [OPEN_QUESTION, "arrears"]
    assert codes(said(CLEAR, open_questions=True)) == [OPEN_QUESTION]


def test_a_refused_file_doubts_the_lists_and_no_record() -> None:
    questioned = Coverage(frozenset({"one"}), questioned=True)
    assert codes(said(CLEAR, coverage=questioned)) == [OPEN_QUESTION]
    assert said(CLEAR, own=frozenset({"one"}), coverage=questioned) == CLEAR


def test_why_a_check_is_unknown_is_found_among_its_reasons() -> None:
    assert unknown_reason(said(BLOCKED, own=frozenset({"one"}), open_questions=True)) == Reason(code=OPEN_QUESTION)
    assert unknown_reason(BLOCKED) is None


def test_an_item_has_one_name_however_it_is_spelled_and_none_in_part() -> None:
    assert item("residence", "南湖", "梅苑 1楼", "Ａ0307") == item("residence", "南湖", "梅苑1楼", "a0307")
    assert item("charge", "F-1") != item("fine", "F-1")
    assert item("residence", "南湖", "", "307") == item("charge", None) == item("charge") == frozenset()


def test_what_a_record_has_from_an_earlier_departure_may_block_and_cannot_clear() -> None:
    assert codes(said(CLEAR, coverage=COVERED, nothing=BLOCKED, left_before=True)) == [NO_DATA]
    assert said(BLOCKED, coverage=COVERED, nothing=CLEAR, left_before=True) == BLOCKED
    assert said(CLEAR, own=frozenset({"one"}), nothing=BLOCKED, left_before=True) == CLEAR


def test_what_a_student_who_never_left_before_asked_for_clears_where_a_list_covers() -> None:
    assert said(CLEAR, coverage=COVERED, nothing=BLOCKED) == CLEAR
    assert codes(said(CLEAR, nothing=BLOCKED)) == [NO_DATA]
