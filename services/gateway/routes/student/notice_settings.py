"""A student's page about notices: where, in which language, by which channels."""

from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from services.gateway.contact_client import Channel, StudentContact
from services.gateway.i18n.catalogue import Texts
from services.gateway.routes.dependencies import Contacts, Language, Pages, Student
from services.gateway.staff.desk.desk_client import DeskUnavailable
from services.gateway.tables.sessions.session import Session
from services.gateway.web.csrf import CsrfFields, check_csrf
from services.gateway.web.renderer import Renderer
from services.kit import message_format

PAGE = "/me/notices"
router = APIRouter(include_in_schema=False)


class _NoticeForm(CsrfFields):
    mail: Annotated[str, Field(max_length=254)] = ""
    language: message_format.Language = "zh"
    by: Annotated[tuple[Channel, ...], Field(max_length=3)] = ()


@router.get(PAGE)
async def notice_settings(
    pages: Pages, session: Student, contacts: Contacts, texts: Language, saved: bool = False
) -> Response:
    if not contacts.is_configured:
        return _message(pages, texts, session, "off", 404)
    try:
        contact = await contacts.of(session.student_id)
    except DeskUnavailable:
        return _message(pages, texts, session, "away", 503)
    return _page(pages, texts, session, contact, saved=saved)


@router.post(PAGE)
async def keep_notice_settings(
    pages: Pages, session: Student, contacts: Contacts, texts: Language, form: Annotated[_NoticeForm, Form()]
) -> Response:
    check_csrf(session, form.csrf)
    if not contacts.is_configured:
        return _message(pages, texts, session, "off", 404)
    try:
        chosen = (await contacts.of(session.student_id)).chosen(form.mail.strip(), form.language, form.by)
        kept = await contacts.keep(session.student_id, chosen)
    except DeskUnavailable:
        return _message(pages, texts, session, "away", 503)
    if not kept:
        return _page(pages, texts, session, chosen, wrong=True, status=422)
    return RedirectResponse(f"{PAGE}?saved=true", 303)


def _page(
    pages: Renderer,
    texts: Texts,
    session: Session,
    contact: StudentContact,
    *,
    saved: bool = False,
    wrong: bool = False,
    status: int = 200,
) -> Response:
    return pages.page(
        "notice_settings.html",
        texts,
        session=session,
        back=PAGE,
        status=status,
        contact=contact,
        saved=saved,
        wrong=wrong,
    )


def _message(pages: Renderer, texts: Texts, session: Session, key: str, status: int) -> Response:
    return pages.message(
        texts,
        title=texts(f"notices.{key}_title"),
        paragraphs=[texts(f"notices.{key}_text")],
        session=session,
        action=("/me", texts("me.title")),
        back=PAGE,
        status=status,
    )
