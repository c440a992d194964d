"""What a department has published about a student, for operators."""

from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from schemas.events import StatusChanged
from services.kit.audit import history
from services.kit.audit.history import HistoryEntry
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import problem_responses
from services.kit.names import OPERATOR
from services.kit.student_numbers import StudentNumber


class StatusQuery(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    student_id: StudentNumber


class PublishedStatus(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: StatusChanged | None = Field(description="The newest; null before the first.")
    unsent: int = Field(description="Records about the student that are in the outbox: not yet acknowledged by Kafka.")
    entries: tuple[HistoryEntry, ...] = Field(description="The newest 100 of what was done, newest first.")


def status_router(pool: "asyncpg.Pool[Any]") -> APIRouter:
    router = APIRouter(tags=["statuses"], responses=problem_responses(401, 403, 422, 503))

    @router.post("/statuses/query", operation_id="published-status", summary="Get what was published about a student")
    async def published_status(
        body: StatusQuery, principal: Annotated[Principal, Depends(require(OPERATOR))]
    ) -> PublishedStatus:
        """The newest status, what is still to be sent of the student, and what was done. Who read it is audited."""
        async with pool.acquire() as connection:
            done = await history.history_of(connection, body.student_id, asked_by=principal.name, act="status.query")
            status = await connection.fetchval("SELECT status FROM record WHERE student_id = $1", body.student_id)
            key = body.student_id.encode()
            unsent = await connection.fetchval("SELECT count(*) FROM outbox WHERE key = $1", key)
        return PublishedStatus(
            status=StatusChanged.model_validate_json(status) if status else None, unsent=unsent, entries=done.entries
        )

    return router
