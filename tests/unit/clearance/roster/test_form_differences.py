"""What the roster says otherwise than a signed form."""

from datetime import date
from typing import Any

import pytest

from schemas.events import CaseState, Reason
from services.clearance.roster.cases import Case, Student, is_another_case, listed
from services.clearance.roster.form_differences import differences

JUNE = date(2026, 6, 1)
STUDENT = Student.model_validate(
    {
        "student_id": "TS-FORM-1",
        "name": "王玥",
        "gender": "女",
        "college": "信息与控制工程学院",
        "major": "控制科学与工程",
        "grade": "2023级",
        "enrolled_on": "2023-09-01",
        "leave_category": "毕业离校",
        "cohort": "2026",
    }
)
SIGNED = STUDENT.model_dump(mode="json")
COMPLETED = Case(STUDENT, 2, CaseState.COMPLETED, JUNE)


def changed(**values: Any) -> Student:
    return Student.model_validate({**SIGNED, **values})


def codes(case: Case, *, case_number: int = 1, handed_over: bool = False, signed: Any = SIGNED) -> list[str]:
    return [one.code for one in differences(signed, case, case_number=case_number, handed_over=handed_over)]


def after(student: Student) -> Case:
    return listed(COMPLETED, student, served={"毕业离校"}, today=JUNE, accepted=SIGNED)


def test_a_roster_that_says_what_was_signed_is_no_difference() -> None:
    assert codes(COMPLETED) == []


def test_a_corrected_name_is_shown_as_it_was_and_as_it_is() -> None:
    found = differences(SIGNED, after(changed(name="王钥")), case_number=1, handed_over=False)
    assert found == (Reason(code="name-changed", parameters={"was": "王玥", "now": "王钥"}),)


def test_a_deferred_student_keeps_the_case_and_differs_in_category_and_cohort() -> None:
    case = after(changed(leave_category="延期毕业", cohort="2027"))
    assert (case.state, case.case_number) == (CaseState.COMPLETED, 1)
    assert codes(case) == ["category-changed", "cohort-changed"]


def test_a_student_taken_off_differs_also_after_the_certificates_were_handed_over() -> None:
    assert codes(Case(STUDENT, 2, CaseState.COMPLETED, JUNE, taken_off=True), handed_over=True) == ["taken-off"]


def test_a_cohort_that_only_one_of_the_two_states_is_no_difference() -> None:
    without = {name: value for name, value in SIGNED.items() if name != "cohort"}
    assert codes(COMPLETED, signed=without) == []
    assert codes(after(changed(cohort=None))) == []


@pytest.mark.parametrize(
    ("values", "another"),
    [
        ({"cohort": "2027"}, True),
        ({"cohort": "2025"}, False),
        ({"major": "管理科学"}, False),
        ({"enrolled_on": "2026-09-01"}, False),
        ({"major": "管理科学", "enrolled_on": "2026-09-01"}, True),
        ({"major": "管理科学", "enrolled_on": "2020-09-01"}, False),
        ({"cohort": None}, False),
    ],
)
def test_a_later_cohort_or_a_second_programme_is_another_case_and_a_correction_is_not(
    values: dict[str, Any], another: bool
) -> None:
    student = changed(**values)
    assert is_another_case(SIGNED, student) is another
    case = after(student)
    assert (case.case_number, case.state) == ((2, CaseState.OPEN) if another else (1, CaseState.COMPLETED))


def test_a_later_case_of_a_category_that_is_not_served_waits_until_it_is() -> None:
    deferred = after(changed(leave_category="延期毕业", cohort="2027"))
    back = listed(deferred, changed(cohort="2027"), served={"毕业离校"}, today=JUNE, accepted=SIGNED)
    assert (back.case_number, back.state) == (2, CaseState.OPEN)


def test_a_later_case_is_an_exception_on_a_form_not_collected_and_none_on_one_that_was() -> None:
    case = after(changed(cohort="2027", major="管理科学"))
    assert codes(case) == ["new-case"]
    assert codes(case, handed_over=True) == []
    assert codes(case, case_number=2, signed=case.student.model_dump(mode="json")) == []


def test_a_name_corrected_in_a_later_case_is_an_exception_on_the_earlier_form_too() -> None:
    assert codes(after(changed(cohort="2027", name="王钥")), handed_over=True) == ["name-changed"]
