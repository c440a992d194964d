"""The audits of all services, searched as one. The search is audited; a student's number is in no address."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Form, Response
from pydantic import Field, ValidationError

from services.gateway.routes.operating.control_room import ControlRoom, CurrentRoom
from services.gateway.staff.lists.list_export import Row, csv_answer
from services.gateway.staff.operating.audit_search import (
    MAX_EXPORTED,
    Audited,
    FoundIn,
    chains_of,
    cursors_of,
    every_page,
    found_in,
    written,
)
from services.gateway.web.csrf import CsrfFields
from services.kit.http.operators.audit_routes import AuditQuery
from services.kit.student_numbers import student_number

router = APIRouter(include_in_schema=False)
_COLUMNS: Final = ("student", "at", "service", "act", "outcome", "actor", "details", "seal")
_WORDS: Final = {"act": "what", "actor": "who"}
Text = Annotated[str, Field(max_length=200)]


class _Search(CsrfFields):
    """`since`, `until`: on campus, as a browser's field of date and time writes them. `page`: cursors."""

    service: Text = ""
    since: Text = ""
    until: Text = ""
    act: Text = ""
    actor: Text = ""
    student: Text = ""
    outcome: Text = ""
    page: Annotated[str, Field(max_length=1_000)] = ""


@router.get("/operator/audit")
async def audit(room: CurrentRoom) -> Response:
    return _page(room, _Search(csrf=""))


@router.post("/operator/audit")
async def search(room: CurrentRoom, form: Annotated[_Search, Form()]) -> Response:
    room.check_csrf(form.csrf)
    query = _query(room, form)
    if isinstance(query, str):
        return _page(room, form, wrong=query)
    found = await found_in(_services(room, form), room.person, query, cursors_of(form.page) if form.page else None)
    return _page(room, form, found=found, following=written(found.following))


@router.post("/operator/audit/export")
async def export(room: CurrentRoom, form: Annotated[_Search, Form()]) -> Response:
    room.check_csrf(form.csrf)
    query = _query(room, form)
    if isinstance(query, str):
        return _page(room, form, wrong=query)
    await room.audit.audit_exported(room.session.account, form.service, query.student_id)
    heading = [room.context.texts(f"operator.audit_{_WORDS.get(name, name)}") for name in _COLUMNS]
    name = f"audit-{room.context.local_day.isoformat()}.csv"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return await csv_answer(heading, _rows(room, _services(room, form), query), disposition)


@router.post("/operator/audit/verify")
async def verify(room: CurrentRoom, form: Annotated[CsrfFields, Form()]) -> Response:
    """Each service reads its whole audit."""
    room.check_csrf(form.csrf)
    return _page(room, _Search(csrf=""), chains=await chains_of(room.audited, room.person))


def _services(room: ControlRoom, form: _Search) -> tuple[Audited, ...]:
    return tuple(one for one in room.audited if form.service in ("", one.name))


def _query(room: ControlRoom, form: _Search) -> AuditQuery | str:
    """Or the field that is wrong."""
    given = {name: value for name in ("act", "actor", "outcome") if (value := getattr(form, name).strip())}
    instants: dict[str, datetime] = {}
    for name in ("since", "until"):
        if text := getattr(form, name).strip():
            try:
                instants[name] = room.context.from_campus(text)
            except ValueError:
                return name
    number = student_number(form.student.strip()) if form.student.strip() else None
    if form.student.strip() and number is None:
        return "student"
    try:
        return AuditQuery(**given, **instants, student_id=number)
    except ValidationError as error:
        return str(error.errors()[0]["loc"][0])


async def _rows(room: ControlRoom, services: tuple[Audited, ...], query: AuditQuery) -> AsyncIterator[Row]:
    """The last one says which services did not answer: a file is read without the page."""
    away: list[str] = []
    async for page in every_page(services, room.person, query):
        for one in page.found:
            yield _cells(room, one)
        away += page.away
    if away:
        words = room.context.texts("operator.audit_away", services=room.context.texts.joined(room.titles_of(away)))
        yield "", "", "", "", "", "", words, ""


def _cells(room: ControlRoom, one: FoundIn) -> Row:
    entry = one.entry
    details = "; ".join(f"{name}={value}" for name, value in entry.details.items())
    seal = "" if entry.seal is None else f"{entry.seal}" if entry.intact else f"{entry.seal} !"
    at = room.context.on_campus(entry.at).isoformat(timespec="milliseconds")
    return entry.student_id or "", at, one.service, entry.act, entry.outcome, entry.actor, details, seal


def _page(room: ControlRoom, form: _Search, *, wrong: str = "", **values: object) -> Response:
    return room.page(
        "operator_audit.html",
        status=422 if wrong else 200,
        form=form,
        wrong=wrong,
        services=[(one.name, room.title_of(one.name)) for one in room.audited],
        most=MAX_EXPORTED,
        **values,
    )
