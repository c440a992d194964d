"""Who is leaving: the next state of a case, over every state it can be in."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.events import CaseState
from services.clearance.roster.cases import (
    HEADINGS,
    Case,
    RosterRow,
    Student,
    as_of_instant,
    case_changed,
    listed,
    with_state,
    withdrawn,
)
from services.kit.rules.instants import Outdated

SERVED = frozenset({"毕业离校"})
MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)
NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


def student(**other: Any) -> Student:
    fields = {
        "student_id": "TS-CASE-1",
        "name": "林知远",
        "gender": "男",
        "college": "信息与控制工程学院",
        "major": "控制科学与工程",
        "grade": "2023级",
        "enrolled_on": "2023-09-01",
        "leave_category": "毕业离校",
    }
    return Student.model_validate({**fields, **other})


LEAVING, STAYING = student(), student(leave_category="结业")


@pytest.mark.parametrize(
    ("previous", "said", "state", "version", "opened_on"),
    [
        (None, LEAVING, CaseState.OPEN, 1, JUNE),
        (None, STAYING, CaseState.NOT_SERVED, 1, JUNE),
        (CaseState.OPEN, LEAVING, CaseState.OPEN, 7, MAY),
        (CaseState.OPEN, STAYING, CaseState.NOT_SERVED, 8, MAY),
        (CaseState.NOT_SERVED, LEAVING, CaseState.OPEN, 8, JUNE),
        (CaseState.NOT_SERVED, STAYING, CaseState.NOT_SERVED, 7, MAY),
        (CaseState.CLOSED, LEAVING, CaseState.OPEN, 8, JUNE),
        (CaseState.CLOSED, STAYING, CaseState.NOT_SERVED, 8, MAY),
        (CaseState.COMPLETED, LEAVING, CaseState.COMPLETED, 7, MAY),
        (CaseState.COMPLETED, STAYING, CaseState.COMPLETED, 7, MAY),
    ],
)
def test_a_student_on_the_roster_is_open_or_not_served_and_a_completed_case_stays(
    previous: CaseState | None, said: Student, state: CaseState, version: int, opened_on: date
) -> None:
    before = None if previous is None else Case(LEAVING, 7, previous, MAY)
    case = listed(before, said, served=SERVED, today=JUNE)
    assert case == Case(said, version, state, opened_on)


@pytest.mark.parametrize(
    ("previous", "state", "version"),
    [
        (CaseState.OPEN, CaseState.CLOSED, 8),
        (CaseState.NOT_SERVED, CaseState.CLOSED, 8),
        (CaseState.CLOSED, CaseState.CLOSED, 7),
        (CaseState.COMPLETED, CaseState.COMPLETED, 7),
    ],
)
def test_a_student_taken_off_is_closed_unless_completed(previous: CaseState, state: CaseState, version: int) -> None:
    completed = previous is CaseState.COMPLETED
    assert withdrawn(Case(LEAVING, 7, previous, MAY)) == Case(LEAVING, version, state, MAY, taken_off=completed)


@pytest.mark.parametrize("state", list(CaseState))
@pytest.mark.parametrize(("old", "new"), [(None, "2026"), ("2026", "2027"), ("2026", None)])
def test_a_changed_cohort_is_a_new_version_of_the_case_in_every_state(
    state: CaseState, old: str | None, new: str | None
) -> None:
    before = Case(student(cohort=old), 7, state, MAY)
    case = listed(before, student(cohort=new), served=SERVED, today=JUNE)
    assert case.version == 8
    said = case_changed(before, case, now=NOW)
    assert said is not None
    assert (said.version, said.cohort) == (8, new)


def test_state_and_cohort_that_change_together_are_one_version() -> None:
    before = Case(student(cohort="2025"), 7, CaseState.CLOSED, MAY)
    case = listed(before, student(cohort="2026"), served=SERVED, today=JUNE)
    assert (case.version, case.state) == (8, CaseState.OPEN)


def test_a_closed_case_keeps_its_cohort() -> None:
    before = Case(student(cohort="2026"), 7, CaseState.OPEN, MAY)
    said = case_changed(before, withdrawn(before), now=NOW)
    assert said is not None
    assert (said.state, said.cohort) == (CaseState.CLOSED, "2026")


@pytest.mark.parametrize("spelled", ["2026届", " ２０２６届 ", "2026届\u3000"])
def test_a_cohort_has_one_spelling(spelled: str) -> None:
    assert student(cohort=spelled).cohort == "2026届"


def test_only_a_new_state_or_cohort_is_announced() -> None:
    before = Case(LEAVING, 7, CaseState.OPEN, MAY)
    renamed = listed(before, student(name="林远"), served=SERVED, today=JUNE)
    assert renamed.student.name == "林远"
    assert case_changed(before, renamed, now=NOW) is None
    said = case_changed(before, with_state(before, CaseState.COMPLETED), now=NOW)
    assert said is not None
    assert (said.version, said.state) == (8, CaseState.COMPLETED)
    first = case_changed(None, before, now=NOW)
    assert first is not None
    assert first.state is CaseState.OPEN


def test_an_announcement_carries_no_name() -> None:
    said = case_changed(None, Case(LEAVING, 1, CaseState.OPEN, MAY), now=NOW)
    assert said is not None
    assert LEAVING.name not in said.model_dump_json()


def test_which_categories_use_the_service_is_configuration() -> None:
    case = listed(None, STAYING, served={"毕业离校", "结业"}, today=JUNE)
    assert case.state is CaseState.OPEN


def test_the_chinese_headings_of_the_page_name_every_field() -> None:
    assert set(HEADINGS.values()) == set(RosterRow.model_fields)


@pytest.mark.parametrize(
    "wrong",
    [
        {"student_id": "a b"},
        {"name": ""},
        {"name": "x" * 61},
        {"name": "a\x00b"},
        {"enrolled_on": "20230901"},
        {"enrolled_on": "2023-13-01"},
        {"leave_category": None},
        {"surname": "林"},
    ],
)
def test_a_wrong_line_of_the_roster_is_refused_without_repeating_it(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        student(**wrong)
    assert "林知远" not in str(refused.value)


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("as_of", "changed", "stands"),
    [
        (NOW + HOUR, True, NOW + HOUR),
        (NOW, True, NOW),
        (NOW - HOUR, False, NOW),
        (None, True, NOW + HOUR),
    ],
)
def test_the_newest_word_of_the_roster_counts_and_a_repeated_old_one_moves_nothing(
    as_of: datetime | None, changed: bool, stands: datetime
) -> None:
    previous = Case(LEAVING, 1, CaseState.OPEN, MAY, as_of=NOW)
    case = listed(previous, STAYING if changed else LEAVING, served=SERVED, today=JUNE)
    assert as_of_instant(previous, case, as_of=as_of, now=NOW + HOUR).as_of == stands


def test_an_older_word_changes_nothing_and_one_without_an_instant_always_counts() -> None:
    previous = Case(LEAVING, 1, CaseState.OPEN, MAY, as_of=NOW)
    with pytest.raises(Outdated):
        as_of_instant(previous, withdrawn(previous), as_of=NOW - HOUR, now=NOW)
    ahead = as_of_instant(previous, withdrawn(previous), as_of=None, now=NOW - HOUR)
    assert (ahead.state, ahead.as_of) == (CaseState.CLOSED, NOW)


def test_the_first_word_with_an_instant_counts_whatever_was_there_before() -> None:
    previous = Case(LEAVING, 1, CaseState.OPEN, MAY)
    assert as_of_instant(previous, withdrawn(previous), as_of=NOW - HOUR, now=NOW).as_of == NOW - HOUR
