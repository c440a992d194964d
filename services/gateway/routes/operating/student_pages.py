"""From a student's number to what each department has published, and what the view holds of it."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Response
from pydantic import Field

from services.gateway.routes.operating.control_room import AREA, CurrentRoom
from services.gateway.staff.operating.student import steps_of
from services.gateway.web.csrf import CsrfFields
from services.kit.student_numbers import student_number

router = APIRouter(include_in_schema=False)


class _Search(CsrfFields):
    q: Annotated[str, Field(max_length=200)] = ""


@router.post("/operator/student")
async def student(room: CurrentRoom, form: Annotated[_Search, Form()]) -> Response:
    """Audited, here and at each department."""
    room.check_csrf(form.csrf)
    number = student_number(form.q.strip())
    if number is None:
        return room.page("operator_student.html", status=422, q=form.q.strip(), number=None, known=None, steps=())
    await room.audit.looked_up(room.session.account, AREA, (number,))
    steps = await steps_of(
        room.services,
        tuple(room.site.departments),
        await room.reader.view_of(number),
        room.person,
        number,
        stale_before=room.context.now - timedelta(seconds=room.settings.freshness_bound_s),
    )
    return room.page(
        "operator_student.html",
        q=number,
        number=number,
        known=await room.reader.roster_name(number),
        steps=steps,
        topics={name: room.settings.topics.status(name) for name in room.site.departments},
    )
