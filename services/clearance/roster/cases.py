"""Cases, one for each student on the roster. Pure.

`version` counts what is published, state and cohort: a corrected name is not.
"""

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from pydantic import ConfigDict, Field

from schemas.events import CaseChanged, CaseState
from services.kit.operations import OperationBody
from services.kit.rules.fields import CohortName, Day, ShortLine

HEADINGS: Final[dict[str, str]] = {
    "学号": "student_id",
    "XH": "student_id",
    "姓名": "name",
    "性别": "gender",
    "学院": "college",
    "专业": "major",
    "现在年级": "grade",
    "年级": "grade",
    "入学日期": "enrolled_on",
    "离校类别": "leave_category",
    "届别": "cohort",
    "培养层次": "degree_level",
    "校区": "campus",
    "学习形式": "study_form",
    "学习方式": "study_form",
}
"""Heading in a roster file → field."""


class Student(OperationBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "student_id": "TS20260001",
                    "name": "林知远",
                    "gender": "男",
                    "college": "信息与控制工程学院",
                    "major": "控制科学与工程",
                    "grade": "2023级",
                    "enrolled_on": "2023-09-01",
                    "leave_category": "毕业离校",
                    "cohort": "2026",
                }
            ]
        }
    )

    name: ShortLine
    gender: ShortLine
    college: ShortLine
    major: ShortLine
    grade: ShortLine
    enrolled_on: Day
    leave_category: ShortLine = Field(description="毕业离校, 结业, … Which of them use the service is configuration.")
    degree_level: ShortLine | None = Field(None, description="硕士, 博士, …")
    campus: ShortLine | None = None
    study_form: ShortLine | None = Field(None, description="全日制, 非全日制, …")
    cohort: CohortName | None = Field(
        None,
        description="The graduation season, for example 2026. A department's list for a cohort covers its students.",
    )


@dataclass(frozen=True, slots=True)
class Case:
    """`opened_on`: last, in the university's time zone."""

    student: Student
    version: int
    state: CaseState
    opened_on: date


def listed(previous: Case | None, student: Student, *, served: Container[str], today: date) -> Case:
    """`served`: leave categories that use the service. A completed case stays completed."""
    state = CaseState.OPEN if student.leave_category in served else CaseState.NOT_SERVED
    if previous is None:
        return Case(student, 1, state, today)
    if previous.state is CaseState.COMPLETED:
        state = CaseState.COMPLETED
    opened = state is CaseState.OPEN and previous.state is not CaseState.OPEN
    return Case(
        student,
        previous.version + ((state, student.cohort) != (previous.state, previous.student.cohort)),
        state,
        today if opened else previous.opened_on,
    )


def withdrawn(previous: Case) -> Case:
    """Closed, unless completed."""
    return previous if previous.state is CaseState.COMPLETED else with_state(previous, CaseState.CLOSED)


def with_state(case: Case, state: CaseState) -> Case:
    """The same object if it is in that state."""
    return case if case.state is state else replace(case, state=state, version=case.version + 1)


def case_changed(previous: Case | None, case: Case, *, now: datetime) -> CaseChanged | None:
    """None if nothing that is published changed."""
    if previous is not None and previous.version == case.version:
        return None
    student = case.student
    return CaseChanged(
        student_id=student.student_id, version=case.version, state=case.state, occurred_at=now, cohort=student.cohort
    )
