"""Operator route of a service's access tokens: whose they are, never the tokens or their digests."""

from datetime import datetime
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from services.kit.audit import log
from services.kit.http.access.auth import Credentials, Principal, require
from services.kit.http.problems import problem_responses
from services.kit.names import OPERATOR
from services.kit.tokens import store


class TokenAnswer(BaseModel):
    """Of the file only name, roles and end are known."""

    model_config = ConfigDict(frozen=True)

    name: str
    roles: tuple[str, ...]
    kept_in: Literal["database", "file"]
    made_at: datetime | None = None
    made_by: str | None = None
    expires_at: datetime | None = Field(None, description="Null: it does not end.")
    revoked_at: datetime | None = None
    last_used_at: datetime | None = Field(None, description="Within a minute; null: never, or not known.")


def token_router(pool: "asyncpg.Pool[Any]") -> APIRouter:
    router = APIRouter(tags=["tokens"], responses=problem_responses(401, 403, 503))

    @router.get("/tokens", operation_id="list-tokens", summary="List access tokens, without the tokens")
    async def list_tokens(
        request: Request, principal: Annotated[Principal, Depends(require(OPERATOR))]
    ) -> list[TokenAnswer]:
        """Of the database and of the file: whose each is, what it may do, until when, and when it was last used."""
        async with pool.acquire() as connection:
            await log.append_look_up(connection, actor=principal.name, act="token.list")
            stored = await store.listed(connection)
        credentials: Credentials = request.app.state.credentials
        return [
            *(TokenAnswer(kept_in="database", **{name: getattr(one, name) for name in _STORED}) for one in stored),
            *(
                TokenAnswer(name=one.name, roles=tuple(sorted(one.roles)), kept_in="file", expires_at=one.expires_at)
                for one in credentials.of_file()
            ),
        ]

    return router


_STORED = ("name", "roles", "made_at", "made_by", "expires_at", "revoked_at", "last_used_at")
