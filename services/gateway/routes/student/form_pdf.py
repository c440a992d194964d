"""离校流程单 as a PDF of one A4 page."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from services.gateway.case.present import accepted_form, earlier_form
from services.gateway.case.view_model import CheckView, FormView
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import Texts
from services.gateway.printing.qr_image import CHECK_PATH, form_link
from services.gateway.printing.typst import FormRenderer
from services.gateway.read_model.types import Submission
from services.gateway.routes.dependencies import Context, Printer, ReadableCase, Settings, Student
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
    document = form_document(context, form, verify_address=f"{settings.origin}{CHECK_PATH}", image="")
    link = form_link(settings.origin, form.qr_text)
    pdf = await printer.pdf(document, accepted.accepted_at, link=link, person=student.student_id)
    name = f"{context.texts.of(context.site.university.form_title)}-{form.form_number}.pdf"
    plain = f"form-{form.form_number}.pdf"
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(pdf, media_type="application/pdf", headers={"Content-Disposition": disposition})


def form_document(context: ViewContext, form: FormView, *, verify_address: str, image: str) -> dict[str, Any]:
    """The template's input. Pure."""
    texts, university = context.texts, context.site.university
    return {
        "lang": texts.language,
        "university": texts.of(university.name),
        "title": texts.of(university.form_title),
        "number": [texts("me.form_number"), form.form_number],
        "replaces": texts("form.replaces", number=form.replaces) if form.replaces else "",
        "accepted": [texts("form.accepted"), form.accepted.exact],
        "code": [texts("form.code"), form.code],
        "purpose": texts("form.purpose", certificates=texts.of(university.certificates)),
        "student_title": texts("student.title"),
        "student": [[field.label, field.value] for field in form.student],
        "checks_title": texts("case.items"),
        "attested": texts("form.facts_as_attested") if form.groups else texts("form.no_facts"),
        "checks": [_check(line, texts) for group in form.groups for line in group.lines],
        "verify": texts("form.verify", address=verify_address),
        "image": image,
        "image_alt": texts("form.square"),
    }


def _check(line: CheckView, texts: Texts) -> dict[str, Any]:
    table = line.table
    freshness = line.freshness
    return {
        "title": line.title,
        "mark": "—" if line.waiver else "✓",
        "verdict": line.verdict,
        "waiver": line.waiver,
        "at": texts("form.attested_at", at=freshness.true_at.exact) if freshness else "",
        "facts": [[f"{fact.group} {fact.label}".strip(), fact.value] for fact in line.facts],
        "columns": [column.label for column in table.columns] if table and table.rows else [],
        "numeric": [column.numeric for column in table.columns] if table and table.rows else [],
        "rows": [list(row) for row in table.rows] if table else [],
        "total": list(table.total) if table and table.total else [],
        "empty": table.empty if table else "",
    }
