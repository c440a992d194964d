"""The students' pages, all of which work without scripts."""

import re
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.gateway.case.headline import headline
from services.gateway.case.present import accepted_form, earlier_forms, present
from services.gateway.case.progress import Standing
from services.gateway.case.view_model import CasePage
from services.gateway.case.wording import ViewContext
from services.gateway.routes.dependencies import (
    RETRY,
    Contacts,
    Context,
    CurrentCase,
    FavouriteTable,
    KnownVisitor,
    Language,
    Pages,
    PagesShown,
    Student,
    Visitor,
)
from services.gateway.shown.document import shown_page
from services.gateway.tables.sessions.session import Session
from services.gateway.web.cookies import LANGUAGE_COOKIE, set_cookie
from services.gateway.web.csrf import FavouriteForm, LanguageForm, check_csrf
from services.gateway.web.renderer import Renderer

_YEAR_S: Final = 31_536_000
_BACK: Final = frozenset(
    {
        "/",
        "/case",
        "/me",
        "/me/notices",
        "/completed",
        "/submitted",
        "/sessions",
        "/desk",
        "/verify",
        "/sign-in/number",
        "/staff",
        "/progress",
        "/roster",
        "/exceptions",
        "/operator",
    }
)
_STAFF_PAGE: Final = re.compile(r"/staff/[a-z][a-z0-9-]{0,40}")

router = APIRouter(include_in_schema=False)


@router.get("/")
async def guide(pages: Pages, session: KnownVisitor, favourites: FavouriteTable, texts: Language) -> Response:
    is_favourite = session is not None and bool(session.student_id) and await favourites.contains(session.student_id)
    return pages.page("guide.html", texts, session=session, back="/", is_favourite=is_favourite)


@router.get("/case")
async def case(pages: Pages, session: Student, progress: CurrentCase, context: Context, shown: PagesShown) -> Response:
    page = present(context, progress)
    shown.note(session.student_id, context.language, shown_page(page, progress))
    if progress.standing in (Standing.ABSENT, Standing.NOT_SERVED):
        return _no_case(pages, session, progress, context)
    unavailable = progress.standing is Standing.UNAVAILABLE
    status, headers = (503, RETRY) if unavailable else (200, None)
    return HTMLResponse(case_page(pages, session, page, context), status, headers)


def case_page(pages: Renderer, session: Session, page: CasePage, context: ViewContext) -> str:
    return pages.case(page, context.texts, session)


@router.get("/case/live", response_class=EventSourceResponse)
async def live(session: Visitor) -> AsyncIterator[ServerSentEvent]:
    """Of nobody's page; a student's is answered by `live_streams`."""
    yield ServerSentEvent(event="ended", data={})


@router.get("/me")
async def me(
    pages: Pages,
    session: Student,
    progress: CurrentCase,
    favourites: FavouriteTable,
    contacts: Contacts,
    context: Context,
) -> Response:
    return pages.page(
        "me.html",
        context.texts,
        session=session,
        back="/me",
        form=accepted_form(context, progress),
        earlier_forms=earlier_forms(context, progress),
        completed=progress.standing is Standing.COMPLETED,
        is_favourite=await favourites.contains(session.student_id),
        notices=contacts.is_configured,
        unavailable=headline(context, progress).sentence if progress.standing is Standing.UNAVAILABLE else "",
    )


@router.post("/favourite")
async def favourite(session: Student, favourites: FavouriteTable, form: FavouriteForm) -> Response:
    check_csrf(session, form.csrf)
    await favourites.set(session.student_id, favourite=form.kept == "yes")
    return RedirectResponse(form.back if form.back in _BACK else "/", 303)


@router.post("/language")
async def remember_language(form: LanguageForm) -> Response:
    known = form.back in _BACK or _STAFF_PAGE.fullmatch(form.back)
    response = RedirectResponse(form.back if known else "/", 303)
    set_cookie(response, LANGUAGE_COOKIE, form.language, _YEAR_S)
    return response


def _no_case(pages: Pages, session: Student, progress: CurrentCase, context: Context) -> Response:
    texts, university = context.texts, context.site.university
    not_served = progress.standing is Standing.NOT_SERVED
    words, key = headline(context, progress), "not_served" if not_served else "absent"
    return pages.message(
        texts,
        title=texts(f"{key}.title"),
        paragraphs=[f"{words.sentence}{texts('standing.stop')}{words.next_step}"],
        session=session,
        action=("/", texts("error.back_home")),
        back="/case",
        contact=university.not_served if not_served else university.roster,
        picture="info" if not_served else "search",
    )
