"""基本信息: a student's labelled values. Pure."""

from services.gateway.case.checks import NONE
from services.gateway.case.view_model import Field
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.formats import long_date
from services.gateway.read_model.types import Case

SLOTS = ("name", "student_id", "gender", "college", "major", "enrolled_on", "grade", "leave_category")
"""In a phone's order; the style sheet places them by these names on a PC."""


def student_info(context: ViewContext, case: Case) -> tuple[Field, ...]:
    values = zip(SLOTS, student_values(context, case), strict=True)
    return tuple(Field(slot, context.texts(f"student.{slot}"), value) for slot, value in values)


def student_values(context: ViewContext, case: Case) -> tuple[str, ...]:
    """In the order of `SLOTS`."""
    terms = context.terms
    return (
        case.name or NONE,
        case.student_id,
        terms.get(case.gender, case.gender) or NONE,
        case.college or NONE,
        case.major or NONE,
        long_date(case.enrolled_on, context.language) if case.enrolled_on else NONE,
        case.grade or NONE,
        terms.get(case.leave_category, case.leave_category) or NONE,
    )
