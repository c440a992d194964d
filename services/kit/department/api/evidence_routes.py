"""HTTP API of a department's evidence: complete lists, and questions that refused rows left open."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.events import Instant
from services.kit.audit.log import append_look_up
from services.kit.department.changes.evidence_acts import EVERYBODY, EvidenceActs
from services.kit.department.desk import Desk
from services.kit.department.evidence import coverage, questions
from services.kit.department.evidence.coverage import CoveringLoad
from services.kit.department.evidence.questions import Question
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import FieldProblem, Problem, problem_responses
from services.kit.http.requests.instants import require_past
from services.kit.names import desk_role
from services.kit.rules.fields import CohortName, Line

Before = Annotated[int | None, Query(ge=1, le=2**63 - 1)]
Limit = Annotated[int, Query(ge=1, le=100)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


class Declaration(_Body):
    """The department's list of a cohort is complete."""

    cohort: CohortName = Field(
        description=f"As on the roster, for example 2026; `{EVERYBODY}` for every student.", examples=["2026"]
    )
    as_of: Instant = Field(description="When the list was complete; not in the future.")
    checks: tuple[str, ...] = Field((), description="Checks it answers for; every one of the department if empty.")


class Withdrawal(_Body):
    load_id: UUID
    reason: Line


class QuestionEnd(_Body):
    question_id: int = Field(ge=1, le=2**63 - 1)
    reason: Line = Field(description="Why nothing is open any more, for the audit.")


class Loads(BaseModel):
    """Newest first. `next_before` is the `before` of the next page."""

    model_config = ConfigDict(frozen=True)

    loads: tuple[CoveringLoad, ...]
    next_before: int | None


class Questions(BaseModel):
    """Newest first. `next_before` is the `before` of the next page."""

    model_config = ConfigDict(frozen=True)

    questions: tuple[Question, ...]
    next_before: int | None


class OpenQuestions(BaseModel):
    model_config = ConfigDict(frozen=True)

    open: int


def evidence_router(acts: EvidenceActs, desk: Desk[Any]) -> APIRouter:
    staff = Depends(require(desk_role(desk.rules.name)))
    router = APIRouter(tags=["evidence"], dependencies=[staff], responses=problem_responses(401, 403, 404, 422, 503))
    _add_coverage(router, acts, desk, staff)
    _add_questions(router, acts, desk, staff)
    return router


def _add_coverage(router: APIRouter, acts: EvidenceActs, desk: Desk[Any], staff: Any) -> None:
    Staff = Annotated[Principal, staff]

    @router.post(
        "/coverage",
        status_code=201,
        operation_id="declare-coverage",
        summary="Declare that the list of a cohort is complete",
        responses={200: {"model": CoveringLoad, "description": "Declared before"}},
    )
    async def declare(body: Declaration, principal: Staff, response: Response) -> CoveringLoad:
        """What no record of a student means from then on is the department's to say, check by check.

        An import with `covers` declares the same once its last row is done.
        """
        now = datetime.now(UTC)
        require_past(body.as_of, now, field="/as_of")
        load, new = await acts.declare(
            cohort=None if body.cohort == EVERYBODY else body.cohort,
            checks=_checks(desk, body.checks),
            as_of=body.as_of,
            by=principal.name,
            now=now,
        )
        response.status_code = 201 if new else 200
        return load

    @router.post("/coverage/withdraw", operation_id="withdraw-coverage", summary="Withdraw a covering load")
    async def withdraw(body: Withdrawal, principal: Staff) -> CoveringLoad:
        """Students of whom only this load spoke are unknown again."""
        load = await acts.withdraw(body.load_id, by=principal.name, reason=body.reason, now=datetime.now(UTC))
        if load is None:
            raise _not_found("load_id", "No covering load has this id.", "GET /coverage lists them.")
        return load

    @router.get("/coverage", operation_id="coverage", summary="List covering loads")
    async def loads(valid: bool | None = None, before: Before = None, limit: Limit = 20) -> Loads:
        """Who said when that a list was complete. `valid`: only those that still count, or only the others."""
        async with desk.pool.acquire() as connection:
            found, more = await coverage.latest(connection, valid=valid, before=before, limit=limit)
        return Loads(loads=tuple(found), next_before=more)


def _add_questions(router: APIRouter, acts: EvidenceActs, desk: Desk[Any], staff: Any) -> None:
    Staff = Annotated[Principal, staff]

    @router.get("/questions", operation_id="questions", summary="List open questions")
    async def open_questions(
        principal: Staff, open: bool = True, before: Before = None, limit: Limit = 20
    ) -> Questions:
        """Refused rows and files: until each is settled, the department does not know. `open=false` lists all."""
        async with desk.pool.acquire() as connection:
            found, more = await questions.latest(connection, open_only=open, before=before, limit=limit)
            numbers = sorted({one.student_id for one in found if one.student_id is not None})
            await append_look_up(connection, actor=principal.name, act="question.list", students=numbers)
        return Questions(questions=tuple(found), next_before=more)

    @router.get("/questions/count", operation_id="count-questions", summary="Count open questions")
    async def count() -> OpenQuestions:
        """A number without personal data, for whoever watches."""
        async with desk.pool.acquire() as connection:
            return OpenQuestions(open=sum(await questions.count_open(connection)))

    @router.post("/questions/end", operation_id="end-question", summary="End an open question with a reason")
    async def end(body: QuestionEnd, principal: Staff) -> Question:
        """For a refused row that said nothing new, or a file sent by mistake. A good row ends its question itself."""
        question = await acts.end_question(
            body.question_id, by=principal.name, reason=body.reason, now=datetime.now(UTC)
        )
        if question is None:
            raise _not_found("question_id", "No question has this id.", "GET /questions lists them.")
        return question


def _checks(desk: Desk[Any], named: tuple[str, ...]) -> frozenset[str]:
    unknown = sorted(set(named) - desk.rules.checks)
    if unknown:
        remedy = f"Send some of: {', '.join(sorted(desk.rules.checks))}; or none for all of them."
        error = FieldProblem(field="/checks", problem="The department has no such check.", remedy=remedy)
        raise Problem(422, "unknown-check", title="There is no such check", detail=remedy, errors=[error])
    return frozenset(named) or desk.rules.checks


def _not_found(field: str, problem: str, remedy: str) -> Problem:
    error = FieldProblem(field=f"/{field}", problem=problem, remedy=remedy)
    return Problem(404, f"unknown-{field.removesuffix('_id')}", title=problem, detail=remedy, errors=[error])
