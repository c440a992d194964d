"""Operator routes of dead letters."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict

from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import Problem, problem_responses
from services.kit.messaging.dead_letters import actions
from services.kit.messaging.dead_letters.actions import (
    DeadLetterClosed,
    ReplayHandler,
    StillUnreadable,
    StoredDeadLetter,
)
from services.kit.names import OPERATOR
from services.kit.rules.fields import Line

DeadLetterId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class DeadLetterPage(BaseModel):
    """`next_after` is the `after` of the next page, null on the last."""

    dead_letters: list[StoredDeadLetter]
    next_after: int | None


class DeadLetterDetail(BaseModel):
    """The record as text; bytes that are not UTF-8 appear as U+FFFD."""

    dead_letter: StoredDeadLetter
    key: str | None
    value: str | None
    headers: dict[str, str | None]


class DiscardReason(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    why: Line


def dead_letter_router(pool: "asyncpg.Pool[Any]", handlers: Mapping[str, ReplayHandler]) -> APIRouter:
    """`handlers`: by consumer group. Role `operator`."""
    router = APIRouter(
        prefix="/dead-letters",
        tags=["dead letters"],
        responses=problem_responses(401, 403, 404, 409, 422, 503),
    )
    operator = require(OPERATOR)
    Operator = Annotated[Principal, Depends(operator)]

    @router.get("", operation_id="dead-letters", summary="List dead letters", dependencies=[Depends(operator)])
    async def list_dead_letters(
        state: Literal["open", "ended"] = "open",
        after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=actions.MAX_PAGE)] = 50,
    ) -> DeadLetterPage:
        """Where each was read, when, and why it could not be; open ones, or those that were ended."""
        async with pool.acquire() as connection:
            dead_letters, following = await actions.page(connection, ended=state == "ended", after=after, limit=limit)
        return DeadLetterPage(dead_letters=dead_letters, next_after=following)

    @router.get("/{dead_letter_id}", operation_id="dead-letter", summary="Read one dead letter and its record")
    async def show(dead_letter_id: DeadLetterId, principal: Operator) -> DeadLetterDetail:
        """The record may hold personal data: who read it is audited."""
        async with pool.acquire() as connection:
            content = await actions.show(connection, dead_letter_id, by=principal.name)
        if content is None:
            raise _not_open(404)
        headers = {name: _text(value) for name, value in content.headers}
        return DeadLetterDetail(
            dead_letter=content.dead_letter, key=_text(content.key), value=_text(content.value), headers=headers
        )

    @router.post(
        "/{dead_letter_id}/replay",
        operation_id="replay-dead-letter",
        summary="Replay a dead letter with the running code",
        status_code=204,
    )
    async def replay(dead_letter_id: DeadLetterId, principal: Operator) -> None:
        """As if it came now: 409 if it is still unreadable, or not open any more."""
        try:
            async with pool.acquire() as connection:
                await actions.replay(connection, dead_letter_id, handlers, by=principal.name)
        except DeadLetterClosed:
            raise _not_open(409) from None
        except StillUnreadable as still:
            detail = f"{still}. Deploy code that can read it, or discard it with a reason."
            raise Problem(409, "still-unreadable", title="The record is still unreadable", detail=detail) from None

    @router.post(
        "/{dead_letter_id}/discard",
        operation_id="discard-dead-letter",
        summary="Discard a dead letter: it no longer hides anything",
        status_code=204,
    )
    async def discard(dead_letter_id: DeadLetterId, body: DiscardReason, principal: Operator) -> None:
        """For a record that never was one of ours, or that came again since. Why is kept."""
        try:
            async with pool.acquire() as connection:
                await actions.discard(connection, dead_letter_id, handlers, by=principal.name, why=body.why)
        except DeadLetterClosed:
            raise _not_open(409) from None

    return router


def _text(value: bytes | None) -> str | None:
    return None if value is None else value[:65_536].decode("utf-8", "replace")


def _not_open(status: int) -> Problem:
    detail = "GET /dead-letters lists the open ones, and those that were ended with state=ended."
    return Problem(status, "not-open", title="There is no such open dead letter", detail=detail)
