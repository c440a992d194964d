"""Dead letters of each service: listed, shown, replayed, discarded with a reason."""

from collections.abc import Awaitable
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Response
from pydantic import Field

from services.gateway.routes.operating.control_room import ControlRoom, CurrentRoom
from services.gateway.staff.desk.desk_client import DeskRefused
from services.gateway.staff.operating.client import OperatedService
from services.gateway.web.csrf import CsrfFields
from services.kit.http.problems import Problem

router = APIRouter(include_in_schema=False)
_Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


class _Discard(CsrfFields):
    why: Annotated[str, Field(max_length=500)] = ""


@router.get("/operator/{service}/dead-letters")
async def dead_letters(
    service: str,
    room: CurrentRoom,
    state: Literal["open", "ended"] = "open",
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
) -> Response:
    found = await room.service(service).dead_letters(room.person, ended=state == "ended", after=after)
    return room.page("operator_dead_letters.html", service=service, state=state, found=found)


@router.get("/operator/{service}/dead-letters/{number}")
async def dead_letter(service: str, number: _Number, room: CurrentRoom) -> Response:
    """Its content is personal data: the service audits who looked, and about whom it is."""
    return await _shown(room, room.service(service), number)


@router.post("/operator/{service}/dead-letters/{number}/replay")
async def replay(service: str, number: _Number, room: CurrentRoom, form: Annotated[CsrfFields, Form()]) -> Response:
    room.check_csrf(form.csrf)
    at = room.service(service)
    return await _done(room, at, number, at.replay(room.person, number))


@router.post("/operator/{service}/dead-letters/{number}/discard")
async def discard(service: str, number: _Number, room: CurrentRoom, form: Annotated[_Discard, Form()]) -> Response:
    room.check_csrf(form.csrf)
    at, why = room.service(service), " ".join(form.why.split())
    if not why:
        return await _shown(room, at, number, error=room.context.texts("operator.why_missing"), status=422)
    return await _done(room, at, number, at.discard(room.person, number, why))


async def _done(room: ControlRoom, service: OperatedService, number: int, act: Awaitable[None]) -> Response:
    try:
        await act
    except DeskRefused as refused:
        words = "operator.still_unreadable" if refused.slug == "still-unreadable" else "operator.not_open"
        error = f"{room.context.texts(words)} {refused.detail}"
        return await _shown(room, service, number, error=error, status=409)
    return await _shown(room, service, number)


async def _shown(
    room: ControlRoom, service: OperatedService, number: int, *, error: str = "", status: int = 200
) -> Response:
    """As it is after what was done."""
    found = await service.dead_letter(room.person, number)
    if found is None:
        raise Problem(404, "unknown-dead-letter", title="No such dead letter")
    return room.page(
        "operator_dead_letter.html",
        status=status,
        service=service.name,
        found=found,
        trace=room.trace(found.trace_id),
        error=error,
    )
