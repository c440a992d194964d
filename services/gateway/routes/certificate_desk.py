"""The certificate desk. By POST, so that nothing of a form is in an address."""

from datetime import timedelta, timezone
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Response
from pydantic import Field

from schemas.events import TakenBy
from services.gateway.case.wording import ViewContext
from services.gateway.certificates.handover import Handover, Outcome, Undo
from services.gateway.certificates.verification import GOOD, MAX_CHARACTERS, VerificationResult, read_scan, verify_scan
from services.gateway.certificates.view_model import DeskPage, Pressed, desk_page, handover_lines
from services.gateway.read_model.submissions import SubmissionRecords
from services.gateway.read_model.types import SubmissionRecord
from services.gateway.routes.dependencies import Certificates, Clerk, Context, Pages, Submissions
from services.gateway.tables.sessions import Session
from services.gateway.web.csrf import CsrfFields, check_csrf
from services.gateway.web.renderer import Renderer

OUTCOME_STATUS: Final = {
    Outcome.ISSUED: 200,
    Outcome.UNDONE: 200,
    Outcome.PENDING: 202,
    Outcome.PROXY_NAMELESS: 422,
    Outcome.NO_REASON: 422,
}
Why = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]

router = APIRouter(include_in_schema=False)


class _Check(CsrfFields):
    form: Annotated[str, Field(max_length=MAX_CHARACTERS)] = ""


class _Handover(CsrfFields):
    form_number: Annotated[str, Field(max_length=64)]
    command_id: UUID
    seen: Annotated[str, Field(max_length=64)] = ""
    taken_by: TakenBy = TakenBy.SELF
    proxy_name: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    confirm: Annotated[tuple[Annotated[str, Field(max_length=80)], ...], Field(max_length=128)] = ()
    """Ticked: the name of each exception that was looked into."""
    reason: Why = ""

    def handover(self) -> Handover:
        proxy_name = " ".join(self.proxy_name.split()) if self.taken_by is TakenBy.PROXY else ""
        reason = " ".join(self.reason.split())
        return Handover(self.command_id, self.taken_by, proxy_name, self.seen, frozenset(self.confirm), reason)


class _Undo(CsrfFields):
    form_number: Annotated[str, Field(max_length=64)]
    command_id: UUID
    undo_of: UUID
    reason: Why = ""

    def undo(self) -> Undo:
        return Undo(self.command_id, self.undo_of, " ".join(self.reason.split()))


@router.get("/desk")
async def desk(pages: Pages, clerk: Clerk, submissions: Submissions, context: Context) -> Response:
    return await _page(pages, clerk, submissions, context, None)


@router.post("/desk")
async def check(
    pages: Pages,
    clerk: Clerk,
    submissions: Submissions,
    certificates: Certificates,
    context: Context,
    form: Annotated[_Check, Form()],
) -> Response:
    check_csrf(clerk, form.csrf)
    result, record = await verified(submissions, form.form)
    await certificates.log_check(clerk.account, result.finding, record)
    page = desk_page(context, result, record, command_id=uuid4())
    return await _page(pages, clerk, submissions, context, page)


@router.post("/desk/issue")
async def issue(
    pages: Pages,
    clerk: Clerk,
    submissions: Submissions,
    certificates: Certificates,
    context: Context,
    form: Annotated[_Handover, Form()],
) -> Response:
    """Idempotent by command id."""
    check_csrf(clerk, form.csrf)
    result, record = await verified(submissions, form.form_number)
    handover, outcome = form.handover(), None
    if record is not None and result.finding in GOOD:
        record, outcome = await certificates.hand_over(clerk.account, record, handover)
    pressed = Pressed(outcome, handover.taken_by, handover.proxy_name, handover.confirmed, handover.reason)
    page = desk_page(context, result, record, command_id=_next(handover.command_id, outcome), pressed=pressed)
    return await _page(pages, clerk, submissions, context, page, OUTCOME_STATUS.get(outcome, 409) if outcome else 409)


@router.post("/desk/undo")
async def undo(
    pages: Pages,
    clerk: Clerk,
    submissions: Submissions,
    certificates: Certificates,
    context: Context,
    form: Annotated[_Undo, Form()],
) -> Response:
    """Idempotent by command id."""
    check_csrf(clerk, form.csrf)
    result, record = await verified(submissions, form.form_number)
    asked, outcome = form.undo(), None
    if record is not None and result.finding in GOOD:
        record, outcome = await certificates.undo(clerk.account, record, asked)
    pressed = Pressed(outcome, reason=asked.reason, undo_of=asked.of)
    page = desk_page(context, result, record, command_id=_next(asked.command_id, outcome), pressed=pressed)
    return await _page(pages, clerk, submissions, context, page, OUTCOME_STATUS.get(outcome, 409) if outcome else 409)


def _next(command_id: UUID, outcome: Outcome | None) -> UUID:
    """A refused command stays refused: the next press is another."""
    return command_id if outcome is Outcome.PENDING else uuid4()


async def verified(records: SubmissionRecords, text: str) -> tuple[VerificationResult, SubmissionRecord | None]:
    keys = await records.keys()
    scan = read_scan(text, keys)
    record = await records.by_number(scan.form_number) if scan.form_number else None
    return verify_scan(scan, record.published if record else None, keys), record


async def _page(
    pages: Renderer,
    clerk: Session,
    records: SubmissionRecords,
    context: ViewContext,
    page: DeskPage | None,
    status: int = 200,
) -> Response:
    campus = timezone(timedelta(minutes=context.site.university.utc_offset_minutes))
    midnight = context.now.astimezone(campus).replace(hour=0, minute=0, second=0, microsecond=0)
    handovers = handover_lines(context, await records.handed_over_by(clerk.account, midnight))
    return pages.page(
        "desk.html", context.texts, session=clerk, back="/desk", status=status, page=page, handovers=handovers
    )
