"""The certificate desk's JSON API: what its page shows and does, in codes and the visitor's language."""

from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.events import ExceptionName, TakenBy
from services.gateway.certificates.handover import Handover, Undo
from services.gateway.certificates.verification import MAX_CHARACTERS
from services.gateway.routes.dependencies import SESSION, Clerk
from services.gateway.routes.desk.current_desk import (
    OUTCOME_STATUS,
    CheckedForm,
    CurrentDesk,
    Desk,
    DocumentNumber,
    ProxyName,
    Why,
)
from services.gateway.routes.desk.desk_answers import DeskAnswer, DeskSession, desk_form
from services.kit.http.problems import Problem, problem_responses

router = APIRouter(
    prefix="/api/v1/desk", tags=["certificate desk"], dependencies=[SESSION], responses=problem_responses(409)
)
Token = Annotated[str, Header(alias="X-CSRF-Token", max_length=128, description="`csrf` of GET /api/v1/desk")]


_OUTCOMES: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": DeskAnswer, "description": "Not decided yet: ask again with the same `command_id`."},
    409: {"model": DeskAnswer, **problem_responses(409)[409]},
    422: {"model": DeskAnswer, **problem_responses(422)[422]},
}
"""Of a genuine form with the outcome; another is a problem."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


class CheckBody(_Body):
    form: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS, description="QR text or form number")]


class HandoverBody(_Body):
    """`command_id` is chosen by the caller: the same again is the same hand-over."""

    form_number: Annotated[str, Field(min_length=1, max_length=64)]
    command_id: UUID = Field(default_factory=uuid4)
    taken_by: TakenBy
    proxy_name: ProxyName = ""
    confirmed: Annotated[tuple[ExceptionName, ...], Field(max_length=128)] = ()
    """`name` of every open exception."""
    reason: Why = ""
    proxy_document: DocumentNumber = ""
    """Its number, where the desk keeps a keyed hash of it; the number itself is not kept."""

    def handover(self) -> Handover:
        proxy_name = self.proxy_name if self.taken_by is TakenBy.PROXY else ""
        return Handover(self.command_id, self.taken_by, proxy_name, None, frozenset(self.confirmed), self.reason)


class UndoBody(_Body):
    """`of` is the `command_id` of the hand-over that stands."""

    form_number: Annotated[str, Field(min_length=1, max_length=64)]
    command_id: UUID = Field(default_factory=uuid4)
    of: UUID
    reason: Annotated[Why, Field(min_length=1)]


@router.get("", operation_id="desk-session", summary="Get the session: account and CSRF token")
async def desk_session(clerk: Clerk) -> DeskSession:
    """The token goes with each request that does something."""
    return DeskSession(account=clerk.account, csrf=clerk.csrf)


@router.post("/check", operation_id="check-form", summary="Check a form")
async def check(body: CheckBody, desk: CurrentDesk, token: Token = "") -> DeskAnswer:
    """Whether it is genuine, whose it is, and whether its certificates may be handed over. Audited, as at the page."""
    checked = await desk.check(token, body.form)
    return DeskAnswer(finding=checked.result.finding, form=desk_form(desk.context, checked))


@router.post(
    "/hand-over",
    operation_id="hand-over",
    summary="Hand over the certificates of a form",
    responses=_OUTCOMES,
)
async def hand_over(body: HandoverBody, response: Response, desk: CurrentDesk, token: Token = "") -> DeskAnswer:
    """Idempotent by `command_id`. 409 or 422 with the outcome, unless it is `issued` (200) or `pending` (202)."""
    checked = await desk.hand_over(token, body.form_number, body.handover(), body.proxy_document)
    return _outcome(response, desk, checked, body.command_id)


@router.post("/undo", operation_id="undo-hand-over", summary="Undo the hand-over that stands", responses=_OUTCOMES)
async def undo(body: UndoBody, response: Response, desk: CurrentDesk, token: Token = "") -> DeskAnswer:
    """Idempotent by `command_id`. The hand-over stays on record with who undid it, when and why."""
    checked = await desk.undo(token, body.form_number, Undo(body.command_id, body.of, body.reason))
    return _outcome(response, desk, checked, body.command_id)


def _outcome(response: Response, desk: Desk, checked: CheckedForm, command_id: UUID) -> DeskAnswer:
    if checked.outcome is None:
        extensions: dict[str, Any] = {"finding": checked.result.finding.value}
        raise Problem(409, "not-genuine", title="This is not a genuine form", extensions=extensions)
    response.status_code = OUTCOME_STATUS.get(checked.outcome, 409)
    return DeskAnswer(
        finding=checked.result.finding,
        form=desk_form(desk.context, checked),
        outcome=checked.outcome,
        command_id=command_id,
    )
