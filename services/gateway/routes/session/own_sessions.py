"""A person's own sessions: where they are signed in, and ending that."""

from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from services.gateway.routes.dependencies import Context, Pages, Person, SessionTable, Streams
from services.gateway.web.csrf import CsrfFields, check_csrf

router = APIRouter(include_in_schema=False)


class _EndForm(CsrfFields):
    session: Annotated[str, Field(max_length=64)] = ""
    """Empty: all the others."""


@router.get("/sessions")
async def own_sessions(pages: Pages, person: Person, sessions: SessionTable, context: Context) -> Response:
    rows = [
        {
            "handle": one.handle,
            "here": one.id_hash == person.id_hash,
            "started": context.local_time(one.started_at),
            "seen": context.local_time(context.now if one.id_hash == person.id_hash else one.seen_at),
        }
        for one in await sessions.of_same_person(person)
    ]
    return pages.page("sessions.html", context.texts, session=person, back="/sessions", rows=rows)


@router.post("/sessions/end")
async def end_elsewhere(
    sessions: SessionTable, streams: Streams, person: Person, form: Annotated[_EndForm, Form()]
) -> Response:
    """Never this one: that is signing out."""
    check_csrf(person, form.csrf)
    for ended in await sessions.end_elsewhere(person, form.session):
        streams.end(ended)
    return RedirectResponse("/sessions", 303)
