"""Submission and commands by form post, each confirmed on a page first."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from services.gateway.case.checks import check_view
from services.gateway.case.headline import obstacle_message
from services.gateway.case.progress import CaseProgress
from services.gateway.case.submission.eligibility import (
    Eligibility,
    Obstacle,
    command_eligibility,
    submission_eligibility,
)
from services.gateway.case.submission.submission_round import SubmissionState
from services.gateway.case.wording import ViewContext
from services.gateway.read_model.types import SUBMIT
from services.gateway.routes.dependencies import Commands, Context, CurrentCase, Pages, Student
from services.gateway.tables.sessions.session import Session
from services.gateway.web.csrf import CsrfForm, check_csrf
from services.gateway.web.renderer import Renderer
from services.kit.http.problems import Problem

router = APIRouter(include_in_schema=False)


@router.get("/submit")
async def confirm_submit(pages: Pages, session: Student, progress: CurrentCase, context: Context) -> Response:
    eligibility = submission_eligibility(progress)
    if not eligibility.possible:
        return _refused(pages, session, progress, context, eligibility)
    title, text, yes = (context.texts(f"submit.confirm_{key}") for key in ("title", "text", "yes"))
    return _confirm(pages, session, context, "/submit", title, text, yes)


@router.post("/submit")
async def submit(
    pages: Pages, session: Student, progress: CurrentCase, commands: Commands, context: Context, form: CsrfForm
) -> Response:
    """Idempotent: a second press finds the first submission."""
    check_csrf(session, form.csrf)
    eligibility = submission_eligibility(progress)
    if not eligibility.possible and not eligibility.already_requested:
        return _refused(pages, session, progress, context, eligibility)
    if eligibility.possible:
        await commands.request(session, "", SUBMIT, forms_before=len(progress.forms))
    done = progress.submission.state is SubmissionState.DONE
    return RedirectResponse("/submitted" if done else "/case#submit", 303)


@router.get("/case/{department}/{command}")
async def confirm_command(
    department: str, command: str, pages: Pages, session: Student, progress: CurrentCase, context: Context
) -> Response:
    eligibility = command_eligibility(progress, context.site.departments, department, command)
    offer = eligibility.check.check.command if eligibility.check else None
    if not eligibility.possible or offer is None:
        return _refused(pages, session, progress, context, eligibility)
    label, text = context.texts.of(offer.label), context.texts.of(offer.confirm)
    title, yes = (context.texts(f"command.confirm_{key}", label=label) for key in ("title", "yes"))
    return _confirm(pages, session, context, f"/case/{department}/{command}", title, text, yes)


@router.post("/case/{department}/{command}")
async def request_command(
    department: str,
    command: str,
    pages: Pages,
    session: Student,
    progress: CurrentCase,
    commands: Commands,
    context: Context,
    form: CsrfForm,
) -> Response:
    check_csrf(session, form.csrf)
    eligibility = command_eligibility(progress, context.site.departments, department, command)
    if not eligibility.possible and not eligibility.already_requested:
        return _refused(pages, session, progress, context, eligibility)
    if eligibility.possible:
        await commands.request(session, department, command)
    return RedirectResponse(f"/case#{eligibility.check.anchor}" if eligibility.check else "/case", 303)


def _confirm(
    pages: Renderer, session: Session, context: ViewContext, action: str, title: str, text: str, yes: str
) -> Response:
    no = context.texts("submit.confirm_no")
    return pages.page(
        "confirm.html",
        context.texts,
        session=session,
        back="/case",
        action=action,
        title=title,
        text=text,
        yes=yes,
        no=no,
    )


def _refused(
    pages: Renderer, session: Session, progress: CaseProgress, context: ViewContext, eligibility: Eligibility
) -> Response:
    if eligibility.obstacle is Obstacle.NO_SUCH_COMMAND:
        raise Problem(404, Obstacle.NO_SUCH_COMMAND, title="No department has this command")
    title, paragraphs = obstacle_message(context, progress, eligibility)
    return pages.message(
        context.texts,
        title=title,
        paragraphs=paragraphs,
        session=session,
        action=("/case", context.texts("form.back")),
        back="/case",
        status=503 if eligibility.obstacle is Obstacle.UNREADABLE else 409,
        open_checks=[check_view(context, one) for one in eligibility.in_the_way],
        contact=context.site.university.support,
    )
