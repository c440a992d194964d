"""HTTP API of republications, for operators."""

from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import Problem, problem_responses
from services.kit.names import OPERATOR
from services.kit.republishing import store
from services.kit.republishing.store import Republication, Scope
from services.kit.rules.fields import Line
from services.kit.student_numbers import StudentNumber

RepublicationId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class RepublicationRequest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    student_id: StudentNumber | None = Field(None, description="Of one student; of every student without it.")
    reason: Line = Field(description="Why, for the audit.", examples=["restored from the backup of last night"])


class Republications(BaseModel):
    """Newest first. `next_before` is the `before` of the next page."""

    model_config = ConfigDict(frozen=True)

    republications: tuple[Republication, ...]
    next_before: int | None


def republications_router(pool: "asyncpg.Pool[Any]") -> APIRouter:
    operator = require(OPERATOR)
    Operator = Annotated[Principal, Depends(operator)]
    router = APIRouter(
        prefix="/republications", tags=["republications"], responses=problem_responses(401, 403, 404, 422, 503)
    )

    @router.post(
        "", status_code=202, operation_id="republish", summary="Publish again what is published about students"
    )
    async def republish(body: RepublicationRequest, principal: Operator, response: Response) -> Republication:
        """In the background, under higher versions than any before. One that waits already is found again."""
        scope = Scope(() if body.student_id is None else (body.student_id,))
        async with pool.acquire() as connection, connection.transaction():
            found = await store.request(connection, scope, reason=body.reason, by=principal.name)
        response.headers["Location"] = f"/republications/{found.republication_id}"
        return found

    @router.get("", operation_id="republications", summary="List republications", dependencies=[Depends(operator)])
    async def republications(
        before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
        limit: Annotated[int, Query(ge=1, le=store.MAX_PAGE)] = 20,
    ) -> Republications:
        """Newest first, with how far each is."""
        async with pool.acquire() as connection:
            found, more = await store.latest(connection, before=before, limit=limit)
        return Republications(republications=tuple(found), next_before=more)

    @router.get("/{republication_id}", operation_id="republication", summary="How far a republication is")
    async def republication(republication_id: RepublicationId, principal: Operator) -> Republication:
        """Counts of students, done and to do."""
        async with pool.acquire() as connection:
            found = await store.find(connection, republication_id)
        if found is None:
            detail = "GET /republications lists them."
            raise Problem(404, "unknown-republication", title="No republication has this id", detail=detail)
        return found

    return router
