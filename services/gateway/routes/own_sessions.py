"""A person's own sessions: where they are signed in, and ending that."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from services.gateway.i18n.formats import local_time
from services.gateway.routes.dependencies import Context, Pages, SessionTable, SignInRequired, Streams, Visitor
from services.gateway.tables.sessions import Session
from services.gateway.web.csrf import CsrfFields, check_csrf

router = APIRouter(include_in_schema=False)


class _EndForm(CsrfFields):
    session: Annotated[str, Field(max_length=64)] = ""
    """Empty: all the others."""


async def signed_in(session: Visitor) -> Session:
    """Raises `SignInRequired`."""
    if session is None:
        raise SignInRequired
    return session


Person = Annotated[Session, Depends(signed_in)]


@router.get("/sessions")
async def own_sessions(pages: Pages, person: Person, sessions: SessionTable, context: Context) -> Response:
    def shown(at: datetime) -> Any:
        offset = context.site.university.utc_offset_minutes
        return local_time(at, now=context.now, offset_minutes=offset, language=context.language)

    rows = [
        {
            "handle": one.handle,
            "here": one.id_hash == person.id_hash,
            "started": shown(one.started_at),
            "seen": shown(datetime.now(UTC) if one.id_hash == person.id_hash else one.seen_at),
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
