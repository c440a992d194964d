"""The labelled basics of a student: 基本信息. Pure."""

from services.gateway.case.checks import NONE, ViewContext
from services.gateway.case.view_model import Field
from services.gateway.i18n.formats import date_words
from services.gateway.read_model.types import Case

SLOTS = ("name", "student_id", "gender", "college", "major", "enrolled_on", "grade", "leave_category")
"""The order on a phone. The style sheet places them in three columns on a PC by these names."""


def student_info(showing: ViewContext, case: Case) -> tuple[Field, ...]:
    terms = showing.house.university.terms if showing.language == "en" else {}
    values = {
        "name": case.name,
        "student_id": case.student_id,
        "gender": terms.get(case.gender, case.gender),
        "college": case.college,
        "major": case.major,
        "enrolled_on": date_words(case.enrolled_on, showing.language) if case.enrolled_on else "",
        "grade": case.grade,
        "leave_category": terms.get(case.leave_category, case.leave_category),
    }
    return tuple(Field(slot, showing.texts(f"basics.{slot}"), values[slot] or NONE) for slot in SLOTS)
