"""The certificate desk: read a form, see whether it is genuine and what came after it, and hand over, once.

Nothing of a form is ever in an address: forms are sent by POST, and the answer is the page.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse
from pydantic import Field

from schemas.events import TakenBy
from services.gateway.case.checks import ViewContext
from services.gateway.certificates.verification import GOOD, MOST_CHARACTERS, Judged, Scan, judge, read_scan
from services.gateway.certificates.view_model import DeskPage, Outcome, desk_page, handed_lines, seen
from services.gateway.i18n.catalogue import Texts
from services.gateway.read_model.types import SubmissionRecord
from services.gateway.routes.dependencies import Clerk, Gateway, Language, Parts
from services.gateway.tables.sessions import Session
from services.gateway.web.csrf import CsrfFields, check_csrf

router = APIRouter(include_in_schema=False)


class _Check(CsrfFields):
    form: Annotated[str, Field(max_length=MOST_CHARACTERS)] = ""


class _HandOver(CsrfFields):
    form_number: Annotated[str, Field(max_length=64)]
    command_id: UUID
    seen: Annotated[str, Field(max_length=64)] = ""
    taken_by: TakenBy = TakenBy.SELF
    proxy_name: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    despite: Annotated[str, Field(max_length=8)] = ""
    """Ticked: the clerk hands over although an exception is open."""


@router.get("/desk")
async def desk(parts: Parts, clerk: Clerk, t: Language) -> Response:
    return await _page(parts, clerk, t, None)


@router.post("/desk")
async def check(parts: Parts, clerk: Clerk, t: Language, form: Annotated[_Check, Form()]) -> Response:
    """Check what was scanned or typed. The check is in the audit before its outcome is shown."""
    check_csrf(clerk, form.csrf)
    judged, registered = await _judged(parts, form.form)
    await parts.handing_over.checked(clerk.account, judged.finding, registered)
    page = desk_page(_showing(parts, t), judged, registered, command_id=uuid4())
    return await _page(parts, clerk, t, page)


@router.post("/desk/issue")
async def issue(parts: Parts, clerk: Clerk, t: Language, form: Annotated[_HandOver, Form()]) -> Response:
    """已领取. Sent again it is the same command; a second desk is told who was first, and when."""
    check_csrf(clerk, form.csrf)
    judged, registered = await _judged(parts, form.form_number)
    proxy_name = " ".join(form.proxy_name.split()) if form.taken_by is TakenBy.PROXY else ""
    outcome: Outcome | None = None
    if registered is not None and judged.finding in GOOD:
        outcome = _refusal(form, registered, proxy_name)
        if outcome is None and registered.issue is None:
            taken = (form.taken_by, proxy_name or None)
            await parts.handing_over.ask(clerk.account, registered, form.command_id, *taken)
            registered = replace(registered, issue=await parts.handing_over.outcome(registered.record.student_id))
        if outcome is None:
            outcome = _outcome(registered, form.command_id)
    page = desk_page(
        _showing(parts, t),
        judged,
        registered,
        command_id=form.command_id,
        outcome=outcome,
        taken_by=form.taken_by,
        proxy_name=proxy_name,
    )
    return await _page(parts, clerk, t, page, _STATUS.get(outcome, 409) if outcome else 409)


_STATUS = {Outcome.ISSUED: 200, Outcome.PENDING: 202, Outcome.PROXY_NAMELESS: 422}


def _refusal(form: _HandOver, registered: SubmissionRecord, proxy_name: str) -> Outcome | None:
    """Why it is not even asked for."""
    if registered.issue is not None:
        return None
    if form.taken_by is TakenBy.PROXY and not proxy_name:
        return Outcome.PROXY_NAMELESS
    if registered.exceptions and form.seen != seen(registered.exceptions):
        return Outcome.NEW_EXCEPTION
    if registered.exceptions and not form.despite:
        return Outcome.UNCONFIRMED
    return None


def _outcome(registered: SubmissionRecord, command_id: UUID) -> Outcome:
    if registered.issue is None:
        return Outcome.PENDING
    return Outcome.ISSUED if registered.issue.command_id == command_id else Outcome.ELSEWHERE


async def _judged(parts: Gateway, text: str) -> tuple[Judged, SubmissionRecord | None]:
    keys = await parts.register.keys()
    scan: Scan = read_scan(text, keys)
    registered = await parts.register.by_number(scan.form_number) if scan.form_number else None
    return judge(scan, registered.record if registered else None, keys), registered


def _showing(parts: Gateway, t: Texts) -> ViewContext:
    return ViewContext(parts.renderer.house, t, datetime.now(UTC))


async def _page(parts: Gateway, clerk: Session, t: Texts, page: DeskPage | None, status: int = 200) -> Response:
    showing = _showing(parts, t)
    campus = timezone(timedelta(minutes=showing.house.university.utc_offset_minutes))
    midnight = showing.now.astimezone(campus).replace(hour=0, minute=0, second=0, microsecond=0)
    handed = handed_lines(showing, await parts.register.handed_over_by(clerk.account, midnight))
    body = parts.renderer.page("desk.html", t, session=clerk, back="/desk", page=page, handed=handed)
    return HTMLResponse(body, status)
