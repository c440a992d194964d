"""The operator's routes: dead letters, page by page. Ids of dead letters are numbers and name nobody."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict

from services.kit.department.fields import Line
from services.kit.http.auth import Principal, require
from services.kit.http.problems import Problem, problem_responses
from services.kit.messaging import dead_letter_replay
from services.kit.messaging.dead_letter_replay import DeadLetterClosed, ReplayHandler, StillUnreadable, StoredDeadLetter
from services.kit.names import OPERATOR

LetterId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class DeadLetterPage(BaseModel):
    """`next_after` is the `after` of the next page, null on the last."""

    letters: list[StoredDeadLetter]
    next_after: int | None


class Opened(BaseModel):
    """What a parked record held, as text; bytes that are no text are shown as U+FFFD."""

    letter: StoredDeadLetter
    key: str | None
    value: str | None
    headers: dict[str, str | None]


class Why(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    why: Line


def dead_letter_router(pool: "asyncpg.Pool[Any]", readers: Mapping[str, ReplayHandler]) -> APIRouter:
    """Look at, replay and discard dead letters, for credentials with the role `operator`."""
    router = APIRouter(
        prefix="/dead-letters",
        tags=["dead letters"],
        responses=problem_responses(401, 403, 404, 409, 422, 503),
    )
    operator = require(OPERATOR)
    Operator = Annotated[Principal, Depends(operator)]

    @router.get("", summary="Records that could not be read", dependencies=[Depends(operator)])
    async def listed(
        state: Literal["open", "ended"] = "open",
        after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=dead_letter_replay.MOST_A_PAGE)] = 50,
    ) -> DeadLetterPage:
        async with pool.acquire() as connection:
            letters, following = await dead_letter_replay.page(
                connection, ended=state == "ended", after=after, limit=limit
            )
        return DeadLetterPage(letters=letters, next_after=following)

    @router.get("/{letter_id}", summary="One of them with what it held", dependencies=[Depends(operator)])
    async def shown(letter_id: LetterId) -> Opened:
        async with pool.acquire() as connection:
            content = await dead_letter_replay.show(connection, letter_id)
        if content is None:
            raise _not_open(404)
        headers = {name: _text(value) for name, value in content.headers}
        return Opened(letter=content.letter, key=_text(content.key), value=_text(content.value), headers=headers)

    @router.post("/{letter_id}/replay", summary="Read it again with the code of today", status_code=204)
    async def replay(letter_id: LetterId, principal: Operator) -> None:
        try:
            async with pool.acquire() as connection:
                await dead_letter_replay.replay(connection, letter_id, readers, by=principal.name)
        except DeadLetterClosed:
            raise _not_open(409) from None
        except StillUnreadable as still:
            detail = f"{still}. Deploy code that reads it, or discard it with a reason."
            raise Problem(409, "still-unreadable", title="It still cannot be read", detail=detail) from None

    @router.post("/{letter_id}/discard", summary="Put it away: it hides nothing any more", status_code=204)
    async def discard(letter_id: LetterId, body: Why, principal: Operator) -> None:
        try:
            async with pool.acquire() as connection:
                await dead_letter_replay.discard(connection, letter_id, readers, by=principal.name, why=body.why)
        except DeadLetterClosed:
            raise _not_open(409) from None

    return router


def _text(value: bytes | None) -> str | None:
    return None if value is None else value[:65_536].decode("utf-8", "replace")


def _not_open(status: int) -> Problem:
    detail = "GET /dead-letters lists the open ones, and those that were ended with state=ended."
    return Problem(status, "not-open", title="There is no such open dead letter", detail=detail)
