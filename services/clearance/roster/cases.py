"""Cases, one for each student on the roster. Pure.

`version` counts what is published, state and cohort: a corrected name is not.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final

from pydantic import ConfigDict, Field

from schemas.events import CaseChanged, CaseState
from services.kit.operations import OperationBody
from services.kit.rules.fields import CohortName, Day, RowInstant, ShortLine
from services.kit.rules.instants import Outdated
from services.kit.student_numbers import Standing, StudentNumber

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
    "曾用学号": "former_number",
    "数据时间": "as_of",
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


def kept_student(fields: Mapping[str, Any]) -> Student:
    """As a form keeps it, in JSON. Not validated again: what was accepted was valid by the rules of its day."""
    return Student.model_construct(**{**fields, "enrolled_on": date.fromisoformat(fields["enrolled_on"])})


class RosterRow(Student):
    """A line of a roster file. An empty `former_number` says nothing: one is removed by command."""

    former_number: StudentNumber | None = Field(None, description="曾用学号: a former number of the same person.")
    as_of: RowInstant | None = Field(None, description="When the row was true; the file's instant without it.")

    @property
    def student(self) -> Student:
        return Student.model_construct(**{name: getattr(self, name) for name in Student.model_fields})


@dataclass(frozen=True, slots=True)
class Case:
    """`opened_on`: last, in the university's time zone."""

    student: Student
    version: int
    state: CaseState
    opened_on: date
    case_number: int = 1
    """Of the cases of this student number, one after another."""
    taken_off: bool = False
    """Taken off the roster after the completion."""
    joined_to: str | None = None
    """The person's current number, if this is a former one."""
    as_of: datetime | None = field(default=None, compare=False)
    """When the newest word of the roster was true; None without one."""

    @property
    def published_state(self) -> CaseState:
        """Departments speak of a former number as of an open case, whatever the roster says of it."""
        former = self.joined_to is not None and self.state is not CaseState.COMPLETED
        return CaseState.OPEN if former else self.state

    @property
    def may_be_submitted(self) -> bool:
        """A former number's is submitted with the current one's."""
        return self.state is CaseState.OPEN and self.joined_to is None


def listed(
    previous: Case | None,
    student: Student,
    *,
    served: Container[str],
    today: date,
    accepted: Mapping[str, Any] | None = None,
) -> Case:
    """`served`: leave categories that use the service; `accepted`: the student as the case was completed with.

    A completed case stays completed. A later cohort or a second programme is a new case beside it.
    """
    state = CaseState.OPEN if student.leave_category in served else CaseState.NOT_SERVED
    if previous is None:
        return Case(student, 1, state, today)
    if previous.state is CaseState.COMPLETED:
        if state is CaseState.OPEN and accepted is not None and is_another_case(accepted, student):
            number = previous.case_number + 1
            return Case(student, previous.version + 1, state, today, number, joined_to=previous.joined_to)
        state = CaseState.COMPLETED
    opened = state is CaseState.OPEN and previous.state is not CaseState.OPEN
    opened_on = today if opened else previous.opened_on
    number, joined_to = previous.case_number, previous.joined_to
    return _numbered(previous, Case(student, previous.version, state, opened_on, number, joined_to=joined_to))


def changed_fields(previous: Case | None, case: Case) -> tuple[str, ...]:
    """Names of the student's fields that differ; none of a new case."""
    if previous is None:
        return ()
    was, now = previous.student, case.student
    return tuple(name for name in Student.model_fields if getattr(was, name) != getattr(now, name))


def is_another_case(accepted: Mapping[str, Any], student: Student) -> bool:
    """Whether the roster speaks of a later cohort, or of another major begun later, than was completed.

    An earlier cohort is an old list, and one changed value a correction: neither opens a case.
    """
    cohort = accepted.get("cohort")
    if cohort and student.cohort and student.cohort > cohort:
        return True
    begun_later = student.enrolled_on.isoformat() > str(accepted["enrolled_on"])
    return begun_later and student.major != accepted["major"]


def row_effect(before: CaseState | None, case: Case, *, changed: bool) -> str:
    """What an import counts a row as: `opened`, `changed`, `closed`, `unchanged` or `not-served`.

    `not-served` counts every such row, a repeated one too: nobody overlooks them.
    """
    if case.state is CaseState.NOT_SERVED:
        return "closed" if before is CaseState.OPEN else "not-served"
    if case.state is CaseState.OPEN and before is not CaseState.OPEN:
        return "opened"
    return "changed" if changed else "unchanged"


def withdrawn(previous: Case) -> Case:
    """Closed; a completed case stays completed and is marked."""
    if previous.state is CaseState.COMPLETED:
        return replace(previous, taken_off=True)
    return with_state(previous, CaseState.CLOSED)


def reopened(previous: Case, *, served: Container[str], today: date) -> Case:
    """After the form of a completed case was voided: as the roster has the student by now."""
    if previous.taken_off:
        return replace(with_state(previous, CaseState.CLOSED), taken_off=False)
    state = CaseState.OPEN if previous.student.leave_category in served else CaseState.NOT_SERVED
    return replace(with_state(previous, state), opened_on=today if state is CaseState.OPEN else previous.opened_on)


def with_state(case: Case, state: CaseState) -> Case:
    """The same object if it is in that state."""
    return case if case.state is state else _numbered(case, replace(case, state=state))


def as_of_instant(previous: Case, case: Case, *, as_of: datetime | None, now: datetime) -> Case:
    """`case` after a word of the roster, true as of then; without `as_of` it is the newest. Raises `Outdated`.

    A newer word is never undone by an older one.
    """
    at, newest = as_of or now, previous.as_of
    if newest is None or at >= newest:
        return replace(case, as_of=at)
    if as_of is not None and case != previous:
        raise Outdated(Standing.of(previous.state))
    return replace(case, as_of=newest)


def joined(previous: Case, student_id: str | None) -> Case:
    """To the person's current number; None: to none any more."""
    return _numbered(previous, replace(previous, joined_to=student_id))


def unlisted(student: Student, today: date) -> Case:
    """Of a former number that the roster never had, with the data of the current one."""
    return Case(student, 1, CaseState.CLOSED, today)


def _numbered(previous: Case, case: Case) -> Case:
    """With the next version if something that is published changed."""
    published = (case.published_state, case.student.cohort) != (previous.published_state, previous.student.cohort)
    return replace(case, version=previous.version + published)


def case_changed(previous: Case | None, case: Case, *, now: datetime) -> CaseChanged | None:
    """None if nothing that is published changed."""
    if previous is not None and previous.version == case.version:
        return None
    student = case.student
    return CaseChanged(
        student_id=student.student_id,
        version=case.version,
        state=case.published_state,
        occurred_at=now,
        cohort=student.cohort,
        case_number=case.case_number,
    )
