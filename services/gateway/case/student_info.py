"""基本信息: a student's labelled values. Pure."""

from services.gateway.case.checks import NONE
from services.gateway.case.view_model import Field
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.formats import long_date
from services.gateway.read_model.types import Case

SLOTS = ("name", "student_id", "gender", "college", "major", "enrolled_on", "grade", "leave_category")
"""In a phone's order; the style sheet places them by these names on a PC."""


def student_info(context: ViewContext, case: Case) -> tuple[Field, ...]:
    terms = context.terms
    values = {
        "name": case.name,
        "student_id": case.student_id,
        "gender": terms.get(case.gender, case.gender),
        "college": case.college,
        "major": case.major,
        "enrolled_on": long_date(case.enrolled_on, context.language) if case.enrolled_on else "",
        "grade": case.grade,
        "leave_category": terms.get(case.leave_category, case.leave_category),
    }
    return tuple(Field(slot, context.texts(f"student.{slot}"), values[slot] or NONE) for slot in SLOTS)
