"""From a student's number to what each department has published, what the view holds, and what the page showed then."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Response
from pydantic import Field

from services.gateway.routes.dependencies import History
from services.gateway.routes.operating.control_room import AREA, ControlRoom, CurrentRoom
from services.gateway.shown.as_it_was import page_at, turns_of
from services.gateway.staff.operating.student import Step, causes_of, steps_of
from services.gateway.web.csrf import CsrfFields
from services.kit.student_numbers import student_number

router = APIRouter(include_in_schema=False)


class _Search(CsrfFields):
    q: Annotated[str, Field(max_length=200)] = ""


class _SearchAt(_Search):
    """`at`: on campus, as a browser's field has it, or with an offset."""

    at: Annotated[str, Field(max_length=60)] = ""


@router.post("/operator/student")
async def student(room: CurrentRoom, history: History, form: Annotated[_Search, Form()]) -> Response:
    """Audited, here and at each department."""
    room.check_csrf(form.csrf)
    number = student_number(form.q.strip())
    if number is None:
        return _no_number(room, form.q.strip())
    await room.audit.looked_up(room.session.account, AREA, (number,))
    return room.page(
        "operator_student.html",
        q=number,
        number=number,
        known=await room.reader.roster_name(number),
        steps=await _steps(room, number),
        topics=_topics(room),
        turns=turns_of(await history.of(number)),
    )


@router.post("/operator/student/then")
async def then(room: CurrentRoom, history: History, form: Annotated[_SearchAt, Form()]) -> Response:
    """What the information page showed at an instant, and why. Audited as above."""
    room.check_csrf(form.csrf)
    number = student_number(form.q.strip())
    if number is None:
        return _no_number(room, form.q.strip())
    await room.audit.looked_up(room.session.account, AREA, (number,))
    try:
        at = room.context.from_campus(form.at.strip())
    except ValueError:
        at = None
    kept = await history.of(number)
    return room.page(
        "operator_then.html",
        status=200 if at else 422,
        q=number,
        number=number,
        known=await room.reader.roster_name(number),
        at=at,
        page=page_at(kept, at) if at else None,
        reaches_back=kept[0].since if kept else None,
        causes=causes_of(await _steps(room, number)) if at else {},
        topics=_topics(room),
        turns=turns_of(kept),
    )


def _no_number(room: ControlRoom, q: str) -> Response:
    return room.page("operator_student.html", status=422, q=q, number=None, known=None, steps=(), turns=())


def _topics(room: ControlRoom) -> dict[str, str]:
    return {name: room.settings.topics.status(name) for name in room.site.departments}


async def _steps(room: ControlRoom, number: str) -> tuple[Step, ...]:
    return await steps_of(
        room.services,
        tuple(room.site.departments),
        await room.reader.view_of(number),
        room.person,
        number,
        stale_before=room.context.now - timedelta(seconds=room.settings.freshness_bound_s),
    )
