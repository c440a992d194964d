"""A person with several student numbers: the graduate school joins the former ones to the current one."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from services.clearance.roster.case_store import former_numbers
from services.clearance.roster.roster import JOIN, UNJOIN, JoinRefused, Roster, RosterResult
from services.kit.audit import log
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import FieldProblem, Problem, problem_responses
from services.kit.imports.spec import Outcome
from services.kit.messaging.outbox import Wakeup
from services.kit.names import ROSTER
from services.kit.operations import StudentQuery
from services.kit.student_numbers import StudentNumber

_TITLES: Final = {
    "unknown-student": ("There is no such case", "Put the student on the roster with PUT /cases first."),
    "chain": ("A former number has none of its own", "Join every former number to the current one directly."),
    "joined-to-another": ("The number is another person's former one", "Remove it there first."),
    "too-many": ("The student has as many former numbers as a form can name", "Remove those of other persons first."),
    "not-joined": ("The number is not a former one of this student", "Read them with POST /former-numbers/query."),
}


class FormerNumber(StudentQuery):
    """`student_id` is the current number."""

    former_number: StudentNumber


class FormerNumbersAnswer(BaseModel):
    model_config = ConfigDict(frozen=True)

    former_numbers: tuple[str, ...]
    outcome: Outcome


def former_number_router(roster: Roster, pool: "asyncpg.Pool[Any]", wakeup: Wakeup) -> APIRouter:
    """Role `roster`."""
    staff = require(ROSTER)
    Staff = Annotated[Principal, Depends(staff)]
    router = APIRouter(
        prefix="/former-numbers",
        tags=["roster"],
        dependencies=[Depends(staff)],
        responses=problem_responses(401, 403, 404, 409, 422, 503),
    )

    async def apply(
        change: Callable[..., Awaitable[RosterResult]], act: str, body: FormerNumber, principal: Principal
    ) -> FormerNumbersAnswer:
        try:
            async with pool.acquire() as connection, connection.transaction():
                result = await change(connection, body.student_id, body.former_number, now=datetime.now(UTC))
                await _audit(connection, principal, act, body, result)
                numbers = await former_numbers(connection, body.student_id)
        except JoinRefused as refused:
            raise _problem(refused) from None
        wakeup.notify()
        return FormerNumbersAnswer(former_numbers=numbers, outcome=result.outcome)

    @router.put("", summary="Join a former number to the current one", operation_id="join-former-number")
    async def join(body: FormerNumber, principal: Staff) -> FormerNumbersAnswer:
        """What departments say under the former number then counts for the current one. Idempotent."""
        return await apply(roster.join, JOIN, body, principal)

    @router.post("/remove", summary="Remove a former number", operation_id="remove-former-number")
    async def remove(body: FormerNumber, principal: Staff) -> FormerNumbersAnswer:
        """What departments say under it counts no longer for the current one."""
        return await apply(roster.unjoin, UNJOIN, body, principal)

    @router.post("/query", summary="Read a student's former numbers", operation_id="query-former-numbers")
    async def query(body: StudentQuery, principal: Staff) -> FormerNumbersAnswer:
        """By the current number."""
        async with pool.acquire() as connection:
            act = "former-number.query"
            await log.append_look_up(connection, actor=principal.name, act=act, students=[body.student_id])
            numbers = await former_numbers(connection, body.student_id)
        return FormerNumbersAnswer(former_numbers=numbers, outcome="unchanged")

    return router


async def _audit(
    connection: "asyncpg.pool.PoolConnectionProxy[Any]",
    principal: Principal,
    act: str,
    body: FormerNumber,
    result: RosterResult,
) -> None:
    await log.append_entry(
        connection,
        actor=principal.name,
        act=act,
        outcome=result.outcome,
        student_id=body.student_id,
        details={"former_number": body.former_number, "version": result.case.version},
    )


def _problem(refused: JoinRefused) -> Problem:
    title, remedy = _TITLES[refused.slug]
    field = "/student_id" if refused.slug == "unknown-student" else "/former_number"
    error = FieldProblem(field=field, problem=title, remedy=remedy)
    status = 404 if refused.slug == "unknown-student" else 409
    return Problem(status, refused.slug, title=title, detail=remedy, errors=[error])
