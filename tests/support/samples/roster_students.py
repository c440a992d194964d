"""A student as the roster has one."""

from datetime import date

from services.clearance.roster.cases import Student


def person(student_id: str, cohort: str | None = None) -> Student:
    return Student(
        student_id=student_id,
        name="林知远",
        gender="男",
        college="信息与控制工程学院",
        major="控制科学与工程",
        grade="2023级",
        enrolled_on=date(2023, 9, 1),
        leave_category="毕业离校",
        cohort=cohort,
    )
