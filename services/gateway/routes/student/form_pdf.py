"""离校流程单 as a PDF of one A4 page."""

from urllib.parse import quote

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from services.gateway.case.present import accepted_form, earlier_form
from services.gateway.case.view_model import FormView
from services.gateway.case.wording import ViewContext
from services.gateway.printing.qr_image import form_link
from services.gateway.printing.typst import FormRenderer
from services.gateway.read_model.types import Submission
from services.gateway.routes.dependencies import Context, Printer, ReadableCase, Settings, Student
from services.gateway.routes.student.form_document import form_document
from services.gateway.settings import GatewaySettings
from services.gateway.tables.sessions.session import Session

router = APIRouter(include_in_schema=False)


@router.get("/me/form.pdf")
async def form_pdf(
    student: Student, progress: ReadableCase, context: Context, printer: Printer, settings: Settings
) -> Response:
    form = accepted_form(context, progress)
    return await _printed(form, progress.accepted, student, context, printer, settings)


@router.get("/me/form/{ordinal}.pdf")
async def earlier_form_pdf(
    ordinal: int, student: Student, progress: ReadableCase, context: Context, printer: Printer, settings: Settings
) -> Response:
    """Of an earlier case; a void form is not printed."""
    form = earlier_form(context, progress, ordinal)
    return await _printed(form, progress.forms[ordinal - 1] if form else None, student, context, printer, settings)


async def _printed(
    form: FormView | None,
    accepted: Submission | None,
    student: Session,
    context: ViewContext,
    printer: FormRenderer,
    settings: GatewaySettings,
) -> Response:
    if form is None or accepted is None or form.void:
        raise HTTPException(404)
    document = form_document(context, form, origin=settings.origin)
    link = form_link(settings.origin, form.qr_text)
    pdf = await printer.pdf(document, accepted.accepted_at, link=link, person=student.student_id)
    name = f"{context.texts.of(context.site.university.form_title)}-{form.form_number}.pdf"
    plain = f"form-{form.form_number}.pdf"
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(pdf, media_type="application/pdf", headers={"Content-Disposition": disposition})
