"""The certificate desk's page. By POST, so that nothing of a form is in an address."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Response
from pydantic import Field

from schemas.events import DocumentSeal, TakenBy
from services.gateway.certificates.handover import Handover, Outcome, Undo
from services.gateway.certificates.proxy_documents import Comparison
from services.gateway.certificates.verification import MAX_CHARACTERS, searched
from services.gateway.certificates.view_model import NOT_PRESSED, DeskPage, Pressed, desk_page, handover_lines
from services.gateway.read_model.types import FormHolder
from services.gateway.routes.dependencies import Pages
from services.gateway.routes.desk.current_desk import (
    OUTCOME_STATUS,
    CheckedForm,
    CurrentDesk,
    Desk,
    DocumentNumber,
    ProxyName,
    Why,
)
from services.gateway.web.csrf import CsrfFields
from services.gateway.web.renderer import Renderer

router = APIRouter(include_in_schema=False)


class _Check(CsrfFields):
    form: Annotated[str, Field(max_length=MAX_CHARACTERS)] = ""


class _Handover(CsrfFields):
    form_number: Annotated[str, Field(max_length=64)]
    command_id: UUID
    seen: Annotated[str, Field(max_length=64)] = ""
    taken_by: TakenBy = TakenBy.SELF
    proxy_name: ProxyName = ""
    confirm: Annotated[tuple[Annotated[str, Field(max_length=80)], ...], Field(max_length=128)] = ()
    """Ticked: the name of each exception that was looked into."""
    reason: Why = ""
    document: DocumentNumber = ""
    sealed_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""
    sealed_hash: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    sealed_proof: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Of a hand-over that is pending: the number was typed once."""

    def handover(self) -> Handover:
        by_proxy = self.taken_by is TakenBy.PROXY
        sealed = by_proxy and self.sealed_key and self.sealed_hash
        return Handover(
            self.command_id,
            self.taken_by,
            self.proxy_name if by_proxy else "",
            self.seen,
            frozenset(self.confirm),
            self.reason,
            DocumentSeal(key=self.sealed_key, hash=self.sealed_hash) if sealed else None,
            document_proof=self.sealed_proof,
        )


class _Compare(CsrfFields):
    form_number: Annotated[str, Field(max_length=64)]
    document: DocumentNumber = ""


class _Undo(CsrfFields):
    form_number: Annotated[str, Field(max_length=64)]
    command_id: UUID
    undo_of: UUID
    reason: Why = ""


@router.get("/desk")
async def page(pages: Pages, desk: CurrentDesk) -> Response:
    return await _page(pages, desk, None)


@router.post("/desk")
async def check(pages: Pages, desk: CurrentDesk, form: Annotated[_Check, Form()]) -> Response:
    """A form by what is on it, or a student: then only the number is checked."""
    text = form.form
    if (student := searched(text)) is not None:
        holders = await desk.holders(form.csrf, student)
        if len(holders) == 1 and holders[0].form_number:
            text = holders[0].form_number
        elif holders:
            return await _page(pages, desk, None, holders=holders)
    checked = await desk.check(form.csrf, text)
    return await _page(pages, desk, await _shown(desk, checked, uuid4()))


@router.post("/desk/issue")
async def issue(pages: Pages, desk: CurrentDesk, form: Annotated[_Handover, Form()]) -> Response:
    handover = form.handover()
    checked = await desk.hand_over(form.csrf, form.form_number, handover, form.document)
    pressed = Pressed(
        checked.outcome,
        handover.taken_by,
        handover.proxy_name,
        handover.confirmed,
        handover.reason,
        document=checked.document,
        document_proof=checked.document_proof,
    )
    return await _after(pages, desk, checked, handover.command_id, pressed)


@router.post("/desk/undo")
async def undo(pages: Pages, desk: CurrentDesk, form: Annotated[_Undo, Form()]) -> Response:
    checked = await desk.undo(form.csrf, form.form_number, Undo(form.command_id, form.undo_of, form.reason))
    pressed = Pressed(checked.outcome, reason=form.reason, undo_of=form.undo_of)
    return await _after(pages, desk, checked, form.command_id, pressed)


@router.post("/desk/document")
async def compare(pages: Pages, desk: CurrentDesk, form: Annotated[_Compare, Form()]) -> Response:
    """A number that staff type, with the document that a proxy presented."""
    checked, compared = await desk.compare(form.csrf, form.form_number, form.document)
    page = await _shown(desk, checked, uuid4(), Pressed(compared=compared.value if compared else ""))
    return await _page(pages, desk, page, 200 if compared in (Comparison.SAME, Comparison.DIFFERENT) else 409)


async def _after(pages: Renderer, desk: Desk, checked: CheckedForm, command_id: UUID, pressed: Pressed) -> Response:
    # A refused command stays refused: the next press is another.
    next_id = command_id if checked.outcome is Outcome.PENDING else uuid4()
    page = await _shown(desk, checked, next_id, pressed)
    return await _page(pages, desk, page, OUTCOME_STATUS.get(checked.outcome, 409))


async def _shown(desk: Desk, checked: CheckedForm, command_id: UUID, pressed: Pressed = NOT_PRESSED) -> DeskPage:
    record = await desk.named(checked.record)
    return desk_page(desk.context, checked.result, record, command_id=command_id, pressed=pressed)


async def _page(
    pages: Renderer, desk: Desk, page: DeskPage | None, status: int = 200, *, holders: tuple[FormHolder, ...] = ()
) -> Response:
    context = desk.context
    midnight = context.on_campus(context.now).replace(hour=0, minute=0, second=0, microsecond=0)
    handovers = handover_lines(context, await desk.submissions.handed_over_by(desk.clerk.account, midnight))
    return pages.page(
        "desk.html",
        context.texts,
        session=desk.clerk,
        back="/desk",
        status=status,
        page=page,
        handovers=handovers,
        holders=holders,
        clerk_name=await desk.people.name_of(desk.clerk.account),
        colleges=desk.served.colleges or (),
        documents=desk.documents.are_kept,
    )
