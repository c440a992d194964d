"""The pages. Each loads what it shows, makes one pure page model, and renders it; all of them work without scripts."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final

import segno
from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from markupsafe import Markup
from starlette.exceptions import HTTPException

from services.gateway.case.decision import CheckState as CheckShown
from services.gateway.case.live import StateUpdate, Stream, StreamEnded
from services.gateway.case.view_model import CasePage
from services.gateway.i18n.catalogue import Texts
from services.gateway.i18n.formats import local_time
from services.gateway.read_model.types import SUBMIT
from services.gateway.routes.dependencies import LANGUAGE_COOKIE, Gateway, Language, Parts, Perhaps, SignedIn, Visitor
from services.gateway.routes.eligibility import Eligibility, command_eligibility, submission_eligibility
from services.gateway.tables.sessions import Session
from services.gateway.web.csrf import CsrfForm, FavouriteForm, LanguageForm, check_csrf

_YEAR_S: Final = 31_536_000
_BACK: Final = frozenset({"/", "/case", "/me", "/completed", "/desk", "/verify"})

router = APIRouter(include_in_schema=False)


@router.get("/")
async def guide(parts: Parts, session: Perhaps, t: Language) -> Response:
    kept = session is not None and bool(session.student_id) and await parts.favourites.kept(session.student_id)
    return _page(parts, t, "guide.html", session, "/", kept=kept)


@router.get("/case")
async def case(parts: Parts, session: SignedIn, t: Language) -> Response:
    _, page = await parts.case_page(session, t)
    if page.standing in ("absent", "not-served"):
        return _standing(parts, t, session, page)
    headers = {"Retry-After": "10"} if page.standing == "away" else {}
    return _page(parts, t, "case.html", session, "/case", 503 if headers else 200, headers, page=page)


async def _stream(parts: Parts, session: Visitor, t: Language) -> AsyncIterator[Stream | None]:
    # Before the answer starts: one stream too many must still be able to be refused.
    if session is None or not session.student_id:
        yield None
    else:
        async with parts.hub.connect(session, t) as stream:
            yield stream


@router.get("/case/live", response_class=EventSourceResponse)
async def live(
    parts: Parts, stream: Annotated[Stream | None, Depends(_stream)], t: Language
) -> AsyncIterator[ServerSentEvent]:
    """The whole state at once and whenever it changes; `unread` while it cannot be read; `ended` when signed out."""
    while stream is not None:
        news = await stream.fresh.get()
        if isinstance(news, StreamEnded):
            break
        if isinstance(news, StateUpdate):
            yield ServerSentEvent(event="state", data={"html": parts.renderer.live(news.page, t)}, retry=2000)
        else:
            yield ServerSentEvent(event="unread", data={"since": _clock(parts, news.since)}, retry=2000)
    yield ServerSentEvent(event="ended", data={})


@router.get("/submit")
async def confirm_submit(parts: Parts, session: SignedIn, t: Language) -> Response:
    wish = await submission_eligibility(parts, session, t)
    if not wish.possible:
        return _wish_refused(parts, t, session, wish)
    return _confirm(
        parts, t, session, "/submit", t("submit.confirm_title"), t("submit.confirm_text"), t("submit.confirm_yes")
    )


@router.post("/submit")
async def submit(parts: Parts, session: SignedIn, t: Language, form: CsrfForm) -> Response:
    """However often it is pressed, it is the same submission: the second press finds the first."""
    check_csrf(session, form.csrf)
    wish = await submission_eligibility(parts, session, t)
    if wish.possible:
        await parts.commands.ask(session.student_id, "", SUBMIT)
    elif not wish.already:
        return _wish_refused(parts, t, session, wish)
    return RedirectResponse("/case#submit", 303)


@router.get("/case/{department}/{command}")
async def confirm_command(department: str, command: str, parts: Parts, session: SignedIn, t: Language) -> Response:
    wish = await command_eligibility(parts, session, t, department, command)
    if not wish.possible:
        return _wish_refused(parts, t, session, wish)
    line = wish.line
    if line is None or line.command is None:
        raise HTTPException(404)
    title, yes = (t(key, label=line.command.label) for key in ("command.confirm_title", "command.confirm_yes"))
    return _confirm(parts, t, session, f"/case/{department}/{command}", title, line.command.confirm, yes)


@router.post("/case/{department}/{command}")
async def ask_command(
    department: str, command: str, parts: Parts, session: SignedIn, t: Language, form: CsrfForm
) -> Response:
    check_csrf(session, form.csrf)
    wish = await command_eligibility(parts, session, t, department, command)
    if wish.possible:
        await parts.commands.ask(session.student_id, department, command)
    elif not wish.already:
        return _wish_refused(parts, t, session, wish)
    return RedirectResponse(f"/case#{wish.line.anchor}" if wish.line else "/case", 303)


@router.post("/favourite")
async def favourite(parts: Parts, session: SignedIn, form: FavouriteForm) -> Response:
    check_csrf(session, form.csrf)
    await parts.favourites.keep(session.student_id, kept=form.kept == "yes")
    return RedirectResponse(form.back if form.back in _BACK else "/", 303)


@router.get("/me")
async def me(parts: Parts, session: SignedIn, t: Language) -> Response:
    _, page = await parts.case_page(session, t)
    away = page.summary.sentence if page.standing == "away" else ""
    kept = await parts.favourites.kept(session.student_id)
    done = page.standing == "completed"
    return _page(parts, t, "me.html", session, "/me", form=page.form, completed=done, kept=kept, away=away)


@router.get("/completed")
async def completed(parts: Parts, session: SignedIn, t: Language) -> Response:
    """The submitted case as the form shows it; the style sheet prints it on one page."""
    _, page = await parts.case_page(session, t)
    if page.standing == "away":
        return _message(parts, t, session, page.summary.sentence, [page.summary.next_step], status=503)
    if page.form is None:
        return _message(parts, t, session, t("form.none"), [t("form.none_next")])
    return _page(
        parts, t, "completed.html", session, "/completed", page=page, form=page.form, square=_square(page.form.qr_text)
    )


@router.post("/language")
async def language(form: LanguageForm) -> Response:
    """Remember the language on this browser."""
    response = RedirectResponse(form.back if form.back in _BACK else "/", 303)
    response.set_cookie(
        LANGUAGE_COOKIE, form.language, max_age=_YEAR_S, path="/", secure=True, httponly=True, samesite="lax"
    )
    return response


def _page(
    parts: Gateway,
    t: Texts,
    template: str,
    session: Session | None,
    back: str,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    return HTMLResponse(parts.renderer.page(template, t, session=session, back=back, **values), status, headers)


def _message(
    parts: Gateway,
    t: Texts,
    session: Session,
    title: str,
    paragraphs: list[str],
    *,
    status: int = 200,
    open_lines: tuple[Any, ...] = (),
    contacts: tuple[Any, ...] = (),
) -> Response:
    actions = [("/case", t("form.back"), "second")]
    values: dict[str, Any] = {"title": title, "paragraphs": paragraphs, "open_lines": open_lines, "contacts": contacts}
    return _page(parts, t, "message.html", session, "/case", status, None, actions=actions, **values)


def _standing(parts: Gateway, t: Texts, session: Session, page: CasePage) -> Response:
    """The page of somebody the service is not for, with whom to ask."""
    university = parts.renderer.house.university
    contact = university.not_served if page.standing == "not-served" else university.roster
    key = page.standing.replace("-", "_")
    actions = [("/", t("error.back_home"), "second")]
    return _page(
        parts,
        t,
        "message.html",
        session,
        "/case",
        title=t(f"{key}.title"),
        paragraphs=[f"{page.summary.sentence}{t('standing.stop')}{page.summary.next_step}"],
        open_lines=(),
        contacts=(contact,),
        actions=actions,
    )


def _confirm(parts: Gateway, t: Texts, session: Session, action: str, title: str, text: str, yes: str) -> Response:
    values: dict[str, Any] = {
        "title": title,
        "paragraphs": [text],
        "yes": yes,
        "no": t("submit.confirm_no"),
        "no_address": "/case",
    }
    return _page(parts, t, "confirm.html", session, "/case", 200, None, action=action, **values)


def _wish_refused(parts: Gateway, t: Texts, session: Session, wish: Eligibility) -> Response:
    lines = tuple(line for line in wish.open_lines if line.state is not CheckShown.CLEAR)
    support = parts.renderer.house.university.support
    return _message(
        parts,
        t,
        session,
        wish.title,
        list(wish.paragraphs),
        status=wish.status,
        open_lines=lines,
        contacts=(support,),
    )


def _square(qr_text: str) -> Markup | str:
    """The QR code as an image inside the page. Level L, unboosted: a form is long, and paper wants large modules."""
    if not qr_text:
        return ""
    code = segno.make(qr_text, error="l", boost_error=False, micro=False)
    return Markup(code.svg_inline(omitsize=True, border=4, svgclass=None, lineclass=None))


def _clock(parts: Gateway, since: datetime) -> str:
    offset = parts.renderer.house.university.utc_offset_minutes
    return local_time(since, now=since, offset_minutes=offset, language="zh").words
