"""Roster API of the graduate school. Student ids are in bodies only, because URLs are logged."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from schemas.events import CaseState, Reason
from services.clearance.roster import case_store
from services.clearance.roster.cases import HEADINGS, Case, RosterRow, Student
from services.clearance.roster.roster import Roster, RosterResult, refusal_words
from services.clearance.roster.standing_forms import standing_forms
from services.kit.audit import log
from services.kit.audit.history import History, history_of
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import FieldProblem, Problem, problem_responses
from services.kit.http.requests.instants import AsOf, outdated_problem, require_past
from services.kit.imports.sources.folder import FOLDER, load_sources
from services.kit.imports.spec import ImportSpec, Outcome
from services.kit.messaging.outbox import Wakeup
from services.kit.names import ROSTER
from services.kit.operations import StudentQuery
from services.kit.postgres.pool import Connection
from services.kit.rules.instants import Outdated

SOURCES: Final = Path(__file__).parent / FOLDER


class FormAnswer(BaseModel):
    """A form that stands. `roster_differs`: reasons of the exception that the certificate desk has to confirm."""

    model_config = ConfigDict(frozen=True)

    form_number: str
    case_number: int
    accepted_at: datetime
    handed_over_at: datetime | None
    roster_differs: tuple[Reason, ...]


class CaseAnswer(BaseModel):
    """`forms`: the accepted submissions that stand, whatever the state is now. `taken_off`: after the completion."""

    model_config = ConfigDict(frozen=True)

    state: CaseState
    version: int
    case_number: int
    opened_on: date
    outcome: Outcome
    student: Student
    taken_off: bool
    forms: tuple[FormAnswer, ...]


def roster_router(roster: Roster, pool: "asyncpg.Pool[Any]", wakeup: Wakeup) -> APIRouter:
    """Role `roster`."""
    staff = require(ROSTER)
    Staff = Annotated[Principal, Depends(staff)]
    router = APIRouter(
        tags=["roster"],
        dependencies=[Depends(staff)],
        responses=problem_responses(401, 403, 404, 409, 422, 503),
    )

    @router.put("/cases", summary="Put a student on the roster or correct their data", operation_id="put-case")
    async def put(student: Student, principal: Staff, as_of: AsOf = None) -> CaseAnswer:
        """Opens the student's case, or opens it again, or corrects it; the same data again changes nothing."""
        now = datetime.now(UTC)
        require_past(as_of, now)
        try:
            async with pool.acquire() as connection, connection.transaction():
                changed = await roster.put(connection, student, now=now, as_of=as_of)
                await _audit(connection, principal, "roster.put", changed)
                answer = await _answer(connection, changed.case, changed.outcome)
        except Outdated:
            raise outdated_problem() from None
        wakeup.notify()
        return answer

    @router.post("/cases/withdraw", summary="Take a student off the roster", operation_id="withdraw-case")
    async def withdraw(body: StudentQuery, principal: Staff, as_of: AsOf = None) -> CaseAnswer:
        """Closes the case, which stays readable; `PUT` opens it again.

        A completed case stays completed and its form stands, as `forms` shows: the certificate desk sees an exception.
        """
        now = datetime.now(UTC)
        require_past(as_of, now)
        try:
            async with pool.acquire() as connection, connection.transaction():
                changed = await roster.withdraw(connection, body.student_id, now=now, as_of=as_of)
                if changed is None:
                    raise _unknown_student()
                await _audit(connection, principal, "roster.withdraw", changed)
                answer = await _answer(connection, changed.case, changed.outcome)
        except Outdated:
            raise outdated_problem() from None
        wakeup.notify()
        return answer

    @router.post("/cases/query", summary="Read a student's case", operation_id="query-case")
    async def query(body: StudentQuery, principal: Staff) -> CaseAnswer:
        """With the forms that stand. Who read it is audited."""
        async with pool.acquire() as connection:
            await log.append_look_up(connection, actor=principal.name, act="case.query", students=[body.student_id])
            case = await case_store.find(connection, body.student_id)
            if case is None:
                raise _unknown_student()
            return await _answer(connection, case, "unchanged")

    @router.post("/cases/history", summary="Get what was done about a student's case", operation_id="case-history")
    async def history(body: StudentQuery, principal: Staff) -> History:
        """The newest 100 entries of the audit, newest first, without those of who looked."""
        async with pool.acquire() as connection:
            return await history_of(connection, body.student_id, asked_by=principal.name, act="case.history")

    return router


async def _audit(connection: Connection, principal: Principal, act: str, changed: RosterResult) -> None:
    student = changed.case.student
    details: dict[str, Any] = {"version": changed.case.version, "state": changed.case.state.value}
    if changed.changed:
        details["changed"] = changed.changed
    await log.append_entry(
        connection,
        actor=principal.name,
        act=act,
        outcome=changed.outcome,
        student_id=student.student_id,
        details=details,
    )


def roster_import(
    roster: Roster, *, after_commit: Callable[[], None], own_sources: Path | None = None
) -> ImportSpec[RosterRow]:
    """Each row is one `PUT /cases` and, with a former number, one `PUT /former-numbers`."""
    return ImportSpec(
        kind="roster",
        row=RosterRow,
        headings=HEADINGS,
        apply=roster.apply_row,
        role=ROSTER,
        after_commit=after_commit,
        refusal=refusal_words,
        sources=load_sources([SOURCES, own_sources], RosterRow, HEADINGS),
        zone=roster.zone,
        state=_state,
    )


async def _state(connection: Connection, student_id: str) -> dict[str, Any]:
    case = await case_store.find(connection, student_id)
    return {} if case is None else {"state": case.state.value, **case.student.model_dump(mode="json")}


async def _answer(connection: Connection, case: Case, outcome: Outcome) -> CaseAnswer:
    return CaseAnswer(
        state=case.state,
        version=case.version,
        case_number=case.case_number,
        opened_on=case.opened_on,
        outcome=outcome,
        student=case.student,
        taken_off=case.taken_off,
        forms=tuple(
            FormAnswer(
                form_number=form.form_number,
                case_number=form.case_number,
                accepted_at=form.accepted_at,
                handed_over_at=form.issued_at,
                roster_differs=form.exception,
            )
            for form in await standing_forms(connection, case.student.student_id)
        ),
    )


def _unknown_student() -> Problem:
    remedy = "Check the number, or put the student on the roster with PUT /cases."
    error = FieldProblem(field="/student_id", problem="No case has this student number.", remedy=remedy)
    return Problem(404, "unknown-student", title="There is no such case", detail=remedy, errors=[error])
