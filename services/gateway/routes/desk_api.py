"""The certificate desk's JSON API: what its page shows and does, in codes and the visitor's language."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.events import ExceptionName, Reason, TakenBy
from services.gateway.case.wording import ViewContext
from services.gateway.certificates.handover import Handover, Outcome, Undo, fingerprint
from services.gateway.certificates.verification import GOOD, MAX_CHARACTERS, Finding, VerificationResult
from services.gateway.certificates.view_model import exception_sentences
from services.gateway.read_model.types import ROSTER, CertificateIssue, SubmissionRecord
from services.gateway.routes.certificate_desk import OUTCOME_STATUS, verified
from services.gateway.routes.dependencies import Certificates, Clerk, Context, Submissions
from services.gateway.web.csrf import check_csrf
from services.kit.http.problems import Problem

router = APIRouter(prefix="/api/v1/desk", tags=["certificate desk"])
Token = Annotated[str, Header(alias="X-CSRF-Token", max_length=128, description="`csrf` of GET /api/v1/desk")]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class CheckBody(_Body):
    form: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS, description="QR text or form number")]


class HandoverBody(_Body):
    """`command_id` is chosen by the caller: the same again is the same hand-over."""

    form_number: Annotated[str, Field(min_length=1, max_length=64)]
    command_id: UUID = Field(default_factory=uuid4)
    taken_by: TakenBy
    proxy_name: Annotated[str, Field(max_length=100)] = ""
    confirmed: Annotated[tuple[ExceptionName, ...], Field(max_length=128)] = ()
    """`name` of every open exception."""
    reason: Annotated[str, Field(max_length=500)] = ""


class UndoBody(_Body):
    """`of` is the `command_id` of the hand-over that stands."""

    form_number: Annotated[str, Field(min_length=1, max_length=64)]
    command_id: UUID = Field(default_factory=uuid4)
    of: UUID
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class DeskSession(_Answer):
    account: str
    csrf: str


class ExceptionAnswer(_Answer):
    name: str
    """What a hand-over confirms."""
    source: Literal["department", "roster"]
    department: str | None
    former_number: str | None
    reasons: tuple[Reason, ...]
    sentences: tuple[str, ...]
    opened_at: datetime


class VoidAnswer(_Answer):
    voided_at: datetime
    reason: str
    replaced_by: str | None


class UndoAnswer(_Answer):
    undone_at: datetime
    undone_by: str
    reason: str


class IssueAnswer(_Answer):
    command_id: UUID
    issued_at: datetime
    issued_by: str
    taken_by: TakenBy
    proxy_name: str | None
    confirmed: tuple[str, ...]
    reason: str
    undo: UndoAnswer | None


class FormAnswer(_Answer):
    """`student` as signed. `may_hand_over` is false for a void form and one handed over; exceptions need confirming."""

    form_number: str
    student_id: str
    name: str
    college: str
    major: str
    accepted_at: datetime
    case_number: int
    replaces: str | None
    void: VoidAnswer | None
    exceptions: tuple[ExceptionAnswer, ...]
    hand_overs: tuple[IssueAnswer, ...]
    may_hand_over: bool


class DeskAnswer(_Answer):
    """`form` only of a genuine one. `outcome` of a hand-over or an undo; `pending` is asked again with the same id."""

    finding: Finding
    form: FormAnswer | None = None
    outcome: Outcome | None = None
    command_id: UUID | None = None


@router.get("", summary="The session: account and CSRF token")
async def desk_session(clerk: Clerk) -> DeskSession:
    return DeskSession(account=clerk.account, csrf=clerk.csrf)


@router.post("/check", summary="Check a form")
async def check(
    body: CheckBody,
    clerk: Clerk,
    submissions: Submissions,
    certificates: Certificates,
    context: Context,
    token: Token = "",
) -> DeskAnswer:
    """Audited, as at the page."""
    check_csrf(clerk, token)
    result, record = await verified(submissions, body.form)
    await certificates.log_check(clerk.account, result.finding, record)
    return DeskAnswer(finding=result.finding, form=_form(context, result, record))


@router.post("/hand-over", summary="Hand over the certificates of a form")
async def hand_over(
    body: HandoverBody,
    response: Response,
    clerk: Clerk,
    submissions: Submissions,
    certificates: Certificates,
    context: Context,
    token: Token = "",
) -> DeskAnswer:
    """Idempotent by `command_id`. 409 or 422 with the outcome, unless it is `issued` (200) or `pending` (202)."""
    check_csrf(clerk, token)
    result, record = await verified(submissions, body.form_number)
    if record is None or result.finding not in GOOD:
        raise _not_genuine(result)
    proxy_name = body.proxy_name if body.taken_by is TakenBy.PROXY else ""
    # The caller names what it has seen: an exception opened since is one that is not named.
    seen = fingerprint(record.exceptions)
    handover = Handover(body.command_id, body.taken_by, proxy_name, seen, frozenset(body.confirmed), body.reason)
    record, outcome = await certificates.hand_over(clerk.account, record, handover)
    return _outcome(response, context, result, record, outcome, body.command_id)


@router.post("/undo", summary="Undo the hand-over that stands")
async def undo(
    body: UndoBody,
    response: Response,
    clerk: Clerk,
    submissions: Submissions,
    certificates: Certificates,
    context: Context,
    token: Token = "",
) -> DeskAnswer:
    """Idempotent by `command_id`. The hand-over stays on record with who undid it, when and why."""
    check_csrf(clerk, token)
    result, record = await verified(submissions, body.form_number)
    if record is None or result.finding not in GOOD:
        raise _not_genuine(result)
    asked = Undo(body.command_id, body.of, body.reason)
    record, outcome = await certificates.undo(clerk.account, record, asked)
    return _outcome(response, context, result, record, outcome, body.command_id)


def _outcome(
    response: Response,
    context: ViewContext,
    result: VerificationResult,
    record: SubmissionRecord,
    outcome: Outcome,
    command_id: UUID,
) -> DeskAnswer:
    response.status_code = OUTCOME_STATUS.get(outcome, 409)
    form = _form(context, result, record)
    return DeskAnswer(finding=result.finding, form=form, outcome=outcome, command_id=command_id)


def _not_genuine(result: VerificationResult) -> Problem:
    extensions: dict[str, Any] = {"finding": result.finding.value}
    return Problem(409, "not-genuine", title="This is not a genuine form", extensions=extensions)


def _form(context: ViewContext, result: VerificationResult, record: SubmissionRecord | None) -> FormAnswer | None:
    if record is None or result.finding not in GOOD or result.student is None:
        return None
    student, form = result.student, record.submission
    return FormAnswer(
        form_number=form.form_number,
        student_id=student.student_id,
        name=student.name,
        college=student.college,
        major=student.major,
        accepted_at=form.accepted_at,
        case_number=form.case_number,
        replaces=form.replaces or None,
        void=VoidAnswer(
            voided_at=form.void.voided_at, reason=form.void.reason, replaced_by=form.void.replaced_by or None
        )
        if form.void
        else None,
        exceptions=tuple(
            ExceptionAnswer(
                name=one.name,
                source="roster" if one.department == ROSTER else "department",
                department=None if one.department == ROSTER else one.department,
                former_number=one.former_number or None,
                reasons=one.reasons,
                sentences=exception_sentences(context, one),
                opened_at=one.opened_at,
            )
            for one in record.exceptions
        ),
        hand_overs=tuple(_issue(one) for one in record.issues),
        may_hand_over=form.void is None and record.issue is None,
    )


def _issue(issue: CertificateIssue) -> IssueAnswer:
    return IssueAnswer.model_validate(issue)
