"""The form as its student sees it: the page after the submission, and every form to look at and print."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from services.gateway.case.headline import headline
from services.gateway.case.present import accepted_form, earlier_form
from services.gateway.case.progress import Standing
from services.gateway.case.view_model import FormView
from services.gateway.case.wording import ViewContext
from services.gateway.printing.qr_image import form_link, qr_inline
from services.gateway.routes.dependencies import Context, CurrentCase, Pages, ReadableCase, Settings, Student
from services.gateway.routes.student.form_document import form_document
from services.gateway.settings import GatewaySettings
from services.gateway.tables.sessions.session import Session
from services.gateway.web.renderer import Renderer

router = APIRouter(include_in_schema=False)


@router.get("/submitted")
async def submitted(
    pages: Pages, session: Student, progress: ReadableCase, context: Context, settings: Settings
) -> Response:
    """What was accepted, and what comes next; without a form that stands, the case."""
    form = accepted_form(context, progress)
    if form is None:
        return RedirectResponse("/case#submit", 303)
    return pages.page(
        "submitted.html",
        context.texts,
        session=session,
        back="/submitted",
        form=form,
        qr_image=qr_inline(form_link(settings.origin, form.qr_text)),
        pdf="/me/form.pdf",
    )


@router.get("/completed")
async def completed(
    pages: Pages, session: Student, progress: CurrentCase, context: Context, settings: Settings
) -> Response:
    texts, form = context.texts, accepted_form(context, progress)
    if form is not None:
        return _sheet(form, "/me/form.pdf", pages, session, context, settings, back="/completed")
    title, paragraphs, status = texts("form.none"), [texts("form.none_next")], 200
    if progress.standing is Standing.UNAVAILABLE:
        words = headline(context, progress)
        title, paragraphs, status = words.sentence, [words.next_step], 503
    back = ("/case", texts("form.back"))
    return pages.message(
        texts, title=title, paragraphs=paragraphs, session=session, action=back, back="/case", status=status
    )


@router.get("/completed/{ordinal}")
async def completed_earlier(
    ordinal: int, pages: Pages, session: Student, progress: ReadableCase, context: Context, settings: Settings
) -> Response:
    """A form that is void or of an earlier case, by its place among the student's own."""
    form = earlier_form(context, progress, ordinal)
    if form is None:
        raise HTTPException(404)
    return _sheet(form, f"/me/form/{ordinal}.pdf", pages, session, context, settings, back="/me")


def _sheet(
    form: FormView,
    pdf: str,
    pages: Renderer,
    session: Session,
    context: ViewContext,
    settings: GatewaySettings,
    *,
    back: str,
) -> Response:
    """Printed, it is what the PDF is."""
    return pages.page(
        "completed.html",
        context.texts,
        session=session,
        back=back,
        form=form,
        doc=form_document(context, form, origin=settings.origin),
        qr_image=qr_inline("" if form.void else form_link(settings.origin, form.qr_text)),
        pdf=pdf,
    )
