"""The JSON twin of the pages under /api/v1: the same session, the same rules, codes beside the words."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, JsonValue

from schemas.events import CaseState, Reason
from services.gateway.case.decision import CheckState, WaitingReason
from services.gateway.case.present import decision_of
from services.gateway.case.view_model import CasePage
from services.gateway.read_model.students import ReadModelError
from services.gateway.read_model.types import SUBMIT, Command, CommandState, ReadModelUnavailable, StudentSnapshot
from services.gateway.routes.dependencies import Gateway, Language, Parts, SignedIn
from services.gateway.routes.eligibility import Eligibility, command_eligibility, submission_eligibility
from services.gateway.web.csrf import check_csrf
from services.kit.http.problems import Problem

router = APIRouter(prefix="/api/v1")
Token = Annotated[str, Header(alias="X-CSRF-Token", max_length=128, description="`csrf` of GET /api/v1/me")]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Me(_Answer):
    student_id: str
    csrf: str
    """Send it as X-CSRF-Token with every POST and PUT."""
    signed_in_until: datetime


class Check(_Answer):
    """`state` is what counts: `waiting` is not a pass, and `doubt` says why nothing better is known."""

    department: str
    check: str
    title: str
    state: CheckState
    doubt: WaitingReason | None
    reasons: tuple[Reason, ...]
    todo: tuple[str, ...]
    facts: dict[str, JsonValue]
    version: int | None
    occurred_at: datetime | None
    heard_at: datetime | None
    alive_as_of: datetime | None
    phones: tuple[str, ...]
    command: str | None
    """The command that may be asked now."""


class SubmissionState(_Answer):
    """`state`: open-items, ready, asked, done. `form_number` is there when it is done."""

    state: Literal["open-items", "ready", "asked", "done"]
    form_number: str | None = None
    accepted_at: datetime | None = None
    refusal: str | None = None
    refusal_reasons: tuple[str, ...] = ()


class CaseAnswer(_Answer):
    student_id: str
    state: CaseState
    name: str
    gender: str
    grade: str
    college: str
    major: str
    enrolled_on: date | None
    leave_category: str
    opened_on: date | None
    summary: str
    checks: tuple[Check, ...]
    submission: SubmissionState


class CommandAnswer(_Answer):
    """The one command of this name that is asked or was accepted, whoever asked it first."""

    command_id: UUID
    department: str
    name: str
    state: CommandState
    asked_at: datetime
    ended_at: datetime | None


class Favourite(_Answer):
    kept: bool


@router.get("/me", summary="Who is signed in", tags=["student"])
async def me(session: SignedIn) -> Me:
    return Me(student_id=session.student_id, csrf=session.csrf, signed_in_until=session.expires_at)


@router.get("/case", summary="The student's case with every check", tags=["student"])
async def case(parts: Parts, session: SignedIn, t: Language) -> CaseAnswer:
    reading, page = await parts.case_page(session, t)
    return _case(parts, _known(reading), page)


@router.get("/checks", summary="Every check of the student", tags=["student"])
async def checks(parts: Parts, session: SignedIn, t: Language) -> tuple[Check, ...]:
    reading, page = await parts.case_page(session, t)
    return _checks(parts, _known(reading), page)


@router.get("/submission", summary="How far the submission is", tags=["student"])
async def submission(parts: Parts, session: SignedIn, t: Language) -> SubmissionState:
    reading, page = await parts.case_page(session, t)
    return _submission(_known(reading), page)


@router.post("/submission", summary="Submit, once", status_code=202, tags=["student"])
async def submit(parts: Parts, session: SignedIn, t: Language, token: Token = "") -> CommandAnswer:
    """Asking again returns the same command. 409 names the open items."""
    check_csrf(session, token)
    wish = await submission_eligibility(parts, session, t)
    if not wish.possible and not wish.already:
        raise _problem(wish)
    if not wish.possible:
        return await _asked(parts, session.student_id, "", SUBMIT, wish)
    return _command(await parts.commands.ask(session.student_id, "", SUBMIT))


@router.get("/commands", summary="The newest command of each name", tags=["student"])
async def commands(parts: Parts, session: SignedIn) -> tuple[CommandAnswer, ...]:
    return tuple(_command(command) for command in await parts.commands.newest(session.student_id))


@router.post("/commands/{department}/{command}", summary="Ask a department", status_code=202, tags=["student"])
async def ask(
    department: str, command: str, parts: Parts, session: SignedIn, t: Language, token: Token = ""
) -> CommandAnswer:
    """Asking again returns the same command while it is open."""
    check_csrf(session, token)
    wish = await command_eligibility(parts, session, t, department, command)
    if not wish.possible and not wish.already:
        raise _problem(wish)
    if not wish.possible:
        return await _asked(parts, session.student_id, department, command, wish)
    return _command(await parts.commands.ask(session.student_id, department, command))


@router.get("/favourite", summary="Whether the service is kept", tags=["student"])
async def favourite(parts: Parts, session: SignedIn) -> Favourite:
    return Favourite(kept=await parts.favourites.kept(session.student_id))


@router.put("/favourite", summary="Keep the service, or no longer", tags=["student"])
async def keep(body: Favourite, parts: Parts, session: SignedIn, token: Token = "") -> Favourite:
    check_csrf(session, token)
    await parts.favourites.keep(session.student_id, kept=body.kept)
    return body


def _known(reading: StudentSnapshot | ReadModelUnavailable) -> StudentSnapshot:
    if isinstance(reading, ReadModelUnavailable):
        raise Problem(
            503,
            "unreadable",
            title="The case cannot be read now",
            detail="Nothing is known while this lasts, and nothing counts as passed. Ask again after Retry-After.",
            extensions={"since": reading.since.isoformat()},
            headers={"Retry-After": "10"},
        ) from ReadModelError(reading.since)
    if reading.case is None:
        raise Problem(404, "no-case", title="This student is not on the roster", detail="Ask the graduate school.")
    return reading


def _case(parts: Gateway, reading: StudentSnapshot, page: CasePage) -> CaseAnswer:
    assert reading.case is not None
    case = reading.case
    return CaseAnswer(
        **{name: getattr(case, name) for name in CaseAnswer.model_fields if hasattr(case, name)},
        summary=page.summary.sentence,
        checks=_checks(parts, reading, page),
        submission=_submission(reading, page),
    )


def _checks(parts: Gateway, reading: StudentSnapshot, page: CasePage) -> tuple[Check, ...]:
    lines = {(line.department, line.check): line for group in page.groups for line in group.lines}
    answers = []
    for state in decision_of(reading, parts.renderer.house, page.now).checks:
        line = lines.get((state.department, state.check))
        if line is None:
            continue
        heard = reading.heard.get(state.department)
        said = next((one for one in heard.status.checks if one.check == state.check), None) if heard else None
        manifest = next(
            one for one in parts.renderer.house.departments[state.department].checks if one.name == state.check
        )
        answers.append(
            Check(
                department=state.department,
                check=state.check,
                title=line.title,
                state=state.state,
                doubt=state.doubt,
                reasons=state.reasons,
                todo=line.todo,
                facts=said.facts if said else {},
                version=heard.status.version if heard else None,
                occurred_at=heard.status.occurred_at if heard else None,
                heard_at=heard.heard_at if heard else None,
                alive_as_of=heard.alive_as_of if heard else None,
                phones=manifest.phones,
                command=line.command.name if line.command and line.command.offered else None,
            )
        )
    return tuple(answers)


def _submission(reading: StudentSnapshot, page: CasePage) -> SubmissionState:
    states: dict[str, Any] = {state: state for state in ("open-items", "ready", "asked", "done")}
    done = reading.submission
    return SubmissionState(
        state=states.get(page.submit.state, "open-items"),
        form_number=done.form_number if done else None,
        accepted_at=done.accepted_at if done else None,
        refusal=page.submit.refusal or None,
        refusal_reasons=page.submit.refusal_reasons,
    )


async def _asked(parts: Gateway, student_id: str, department: str, name: str, wish: Eligibility) -> CommandAnswer:
    for command in await parts.commands.newest(student_id):
        if (command.department, command.name) == (department, name):
            return _command(command)
    raise _problem(wish)


def _command(command: Command) -> CommandAnswer:
    return CommandAnswer(
        command_id=command.command_id,
        department=command.department,
        name=command.name,
        state=command.state,
        asked_at=command.asked_at,
        ended_at=command.ended_at,
    )


def _problem(wish: Eligibility) -> Problem:
    items: list[dict[str, Any]] = [
        {"check": line.anchor, "title": line.title, "todo": list(line.todo)} for line in wish.open_lines
    ]
    return Problem(
        wish.status,
        wish.slug,
        title=wish.title,
        detail=" ".join(wish.paragraphs),
        extensions={"open": items},
        headers={"Retry-After": "10"} if wish.status == 503 else None,
    )
