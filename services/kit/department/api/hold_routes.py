"""HTTP API of a department's holds, for operators."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.kit.department.rounds.holds import Hold, HoldRefused, Holds
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import Problem, problem_responses
from services.kit.names import OPERATOR
from services.kit.rules.fields import Line


class HoldList(BaseModel):
    """Those that end first, at most a thousand."""

    model_config = ConfigDict(frozen=True)

    holds: tuple[Hold, ...]


class HoldRelease(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    attempt_id: UUID
    reason: Line = Field(description="For the audit.")


def holds_router(holds: Holds) -> APIRouter:
    operator = require(OPERATOR)
    router = APIRouter(tags=["holds"], responses=problem_responses(401, 403, 404, 409, 422, 503))

    @router.get("/holds", operation_id="holds", summary="List holds", dependencies=[Depends(operator)])
    async def list_holds() -> HoldList:
        """Each with its attempt, since when, and when the attempt's life ends."""
        return HoldList(holds=tuple(await holds.list_holds()))

    @router.post(
        "/holds/release",
        operation_id="release-hold",
        summary="Release the hold of an attempt whose life is over",
        status_code=204,
    )
    async def release(body: HoldRelease, principal: Annotated[Principal, Depends(operator)]) -> None:
        """Overdue holds end by themselves two minutes after the attempt's life, and may be released before."""
        try:
            found = await holds.release(body.attempt_id, by=principal.name, reason=body.reason)
        except HoldRefused:
            raise Problem(
                409,
                "attempt-open",
                title="The attempt may still be accepted",
                detail="Its hold can be released once its life is over: see expires_at in GET /holds.",
            ) from None
        if not found:
            raise Problem(
                404,
                "unknown-hold",
                title="There is no hold of this attempt",
                detail="It ended, or never was: GET /holds lists the holds.",
            )

    return router
