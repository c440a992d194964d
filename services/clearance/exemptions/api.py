"""Exemptions to read; they are made and withdrawn by proposals. Student ids are in bodies only."""

from datetime import date, datetime
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from schemas.events import StudentId
from services.clearance.exemptions import exemption_store
from services.kit.audit.log import append_look_up
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import problem_responses
from services.kit.names import APPROVER, ROSTER
from services.kit.operations import StudentQuery
from services.kit.rules.waivers import WaiverKind


class ExemptionAnswer(BaseModel):
    """In force until the end of the day `until`, unless it was withdrawn."""

    exemption_id: int
    student_id: StudentId
    department: str
    check: str
    kind: WaiverKind
    reason: str
    until: date
    proposal_id: int
    proposed_by: str
    confirmed_by: str
    made_at: datetime
    in_force: bool
    withdrawn_at: datetime | None
    withdrawn_by: str | None


class ExemptionPage(BaseModel):
    """`next_after` is the `after` of the next page, null on the last."""

    exemptions: list[ExemptionAnswer]
    next_after: int | None


After = Annotated[int, Query(ge=0, le=2**63 - 1)]
Limit = Annotated[int, Query(ge=1, le=exemption_store.MAX_PAGE)]


def exemptions_router(pool: "asyncpg.Pool[Any]") -> APIRouter:
    """Roles `roster` and `approver`."""
    reader = require(ROSTER, APPROVER)
    Reader = Annotated[Principal, Depends(reader)]
    router = APIRouter(
        prefix="/exemptions",
        tags=["approvals"],
        dependencies=[Depends(reader)],
        responses=problem_responses(401, 403, 422, 503),
    )

    async def page(
        principal: Principal, student_id: str | None, in_force: bool, after: int, limit: int
    ) -> ExemptionPage:
        async with pool.acquire() as connection:
            rows, following = await exemption_store.page(
                connection, student_id=student_id, only_in_force=in_force, after=after, limit=limit
            )
            students = [student_id] if student_id else sorted({row["student_id"] for row in rows})
            await append_look_up(connection, actor=principal.name, act="exemption.query", students=students)
        return ExemptionPage(exemptions=[ExemptionAnswer(**row) for row in rows], next_after=following)

    @router.get("", summary="List exemptions", operation_id="list-exemptions")
    async def exemptions(
        principal: Reader, in_force: bool = True, after: After = 0, limit: Limit = 50
    ) -> ExemptionPage:
        """Checks that students do not need or were released from; `in_force=false` lists ended ones too."""
        return await page(principal, None, in_force, after, limit)

    @router.post("/query", summary="List a student's exemptions, ended ones too", operation_id="query-exemptions")
    async def query(body: StudentQuery, principal: Reader, after: After = 0, limit: Limit = 50) -> ExemptionPage:
        """Of one student, by number."""
        return await page(principal, body.student_id, False, after, limit)

    return router
