"""The students' JSON API: session, case and rules of the pages."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header

from services.gateway.case.progress import CaseProgress
from services.gateway.case.submission.eligibility import Eligibility, command_eligibility, submission_eligibility
from services.gateway.case.wording import ViewContext
from services.gateway.read_model.types import SUBMIT, Case
from services.gateway.routes.dependencies import RETRY, SESSION, Commands, Context, CurrentCase, FavouriteTable, Student
from services.gateway.routes.student.student_answers import (
    CaseAnswer,
    CheckAnswer,
    CommandAnswer,
    FavouriteAnswer,
    MeAnswer,
    SubmissionAnswer,
    case_answer,
    check_answers,
    command_answer,
    obstacle_problem,
    submission_answer,
)
from services.gateway.web.csrf import check_csrf
from services.kit.http.problems import Problem, problem_responses

router = APIRouter(prefix="/api/v1", tags=["student"], dependencies=[SESSION], responses=problem_responses(404, 409))
Token = Annotated[str, Header(alias="X-CSRF-Token", max_length=128, description="`csrf` of GET /api/v1/me")]


async def known_case(progress: CurrentCase) -> Case:
    """Raises a `Problem`: 503 while nothing can be read, 404 off the roster."""
    if progress.unavailable_since is not None:
        raise Problem(
            503,
            "unreadable",
            title="The case cannot be read now",
            detail="No check counts as passed while this lasts. Retry after the time in Retry-After.",
            extensions={"since": progress.unavailable_since.isoformat()},
            headers=RETRY,
        )
    if progress.case is None:
        raise Problem(404, "no-case", title="This student is not on the roster", detail="Contact the graduate school.")
    return progress.case


KnownCase = Annotated[Case, Depends(known_case)]


@router.get("/me", operation_id="me", summary="Get the session: student and CSRF token")
async def me(session: Student) -> MeAnswer:
    """The token goes with each request that does something."""
    return MeAnswer(student_id=session.student_id, csrf=session.csrf, signed_in_until=session.expires_at)


@router.get("/case", operation_id="case", summary="Get the case with its checks and submission")
async def case(known: KnownCase, progress: CurrentCase, context: Context) -> CaseAnswer:
    """What the page shows, in codes and in the visitor's language."""
    return case_answer(context, known, progress)


@router.get("/checks", operation_id="checks", summary="Get the checks of the case", dependencies=[Depends(known_case)])
async def checks(progress: CurrentCase, context: Context) -> tuple[CheckAnswer, ...]:
    """Of every department, in the page's order, with what to do next and where."""
    return check_answers(context, progress)


@router.get(
    "/submission",
    operation_id="submission",
    summary="Get the state of the submission",
    dependencies=[Depends(known_case)],
)
async def submission(progress: CurrentCase, context: Context) -> SubmissionAnswer:
    """Whether it can be made, is under way, was refused, or is done."""
    return submission_answer(context, progress)


@router.post("/submission", operation_id="submit", summary="Submit the case", status_code=202)
async def submit(
    session: Student, progress: CurrentCase, commands: Commands, context: Context, token: Token = ""
) -> CommandAnswer:
    """Idempotent: a repeated request returns the same command. 409 lists the open checks."""
    check_csrf(session, token)
    eligibility = submission_eligibility(progress)
    if eligibility.possible:
        return command_answer(await commands.request(session, "", SUBMIT, forms_before=len(progress.forms)))
    return _earlier_command(context, progress, eligibility)


@router.get("/commands", operation_id="commands", summary="List the newest command of each name")
async def newest_commands(session: Student, commands: Commands) -> tuple[CommandAnswer, ...]:
    """What the student has asked for, and how far it is."""
    return tuple(command_answer(command) for command in await commands.newest(session.student_id))


@router.post(
    "/commands/{department}/{command}",
    operation_id="request-command",
    summary="Request a command of a department",
    status_code=202,
)
async def request_command(
    department: str,
    command: str,
    session: Student,
    progress: CurrentCase,
    commands: Commands,
    context: Context,
    token: Token = "",
) -> CommandAnswer:
    """Idempotent: a repeated request returns the same command. 409 while the facts do not call for it."""
    check_csrf(session, token)
    eligibility = command_eligibility(progress, context.site.departments, department, command)
    if eligibility.possible:
        return command_answer(await commands.request(session, department, command))
    return _earlier_command(context, progress, eligibility)


@router.get("/favourite", operation_id="favourite", summary="See whether the service is a favourite")
async def favourite(session: Student, favourites: FavouriteTable) -> FavouriteAnswer:
    """Of the student, from whichever device."""
    return FavouriteAnswer(kept=await favourites.contains(session.student_id))


@router.put("/favourite", operation_id="set-favourite", summary="Set or clear the favourite")
async def set_favourite(
    body: FavouriteAnswer, session: Student, favourites: FavouriteTable, token: Token = ""
) -> FavouriteAnswer:
    """The same again changes nothing."""
    check_csrf(session, token)
    await favourites.set(session.student_id, favourite=body.kept)
    return body


def _earlier_command(context: ViewContext, progress: CaseProgress, eligibility: Eligibility) -> CommandAnswer:
    """Raises a `Problem` when there is no earlier command."""
    if not eligibility.already_requested or eligibility.earlier is None:
        raise obstacle_problem(context, progress, eligibility)
    return command_answer(eligibility.earlier)
