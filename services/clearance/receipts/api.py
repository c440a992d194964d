"""Operator route of the keys that forms are signed with."""

from datetime import datetime
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.clearance.receipts.private_keys.store import KeyMissing
from services.clearance.receipts.signing_keys import Keyring
from services.kit.http.access.auth import require
from services.kit.http.problems import Problem, problem_responses
from services.kit.names import OPERATOR


class FormKey(BaseModel):
    """One without `retired_at` signs; a retired one still verifies, a revoked one does not."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    kid: str
    created_at: datetime
    retired_at: datetime | None
    revoked_at: datetime | None
    has_private: bool = Field(description="Its private part is where this service signs.")


def form_key_router(pool: "asyncpg.Pool[Any]", keyring: Keyring) -> APIRouter:
    router = APIRouter(tags=["keys"], responses=problem_responses(401, 403, 503))

    @router.get("/form-keys", operation_id="list-form-keys", summary="List keys of forms, oldest first")
    async def list_form_keys(_: Annotated[object, Depends(require(OPERATOR))]) -> list[FormKey]:
        """Public parts, with when each began and ceased to sign."""
        try:
            async with pool.acquire() as connection:
                return [FormKey.model_validate(key) for key in await keyring.list_keys(connection)]
        except KeyMissing as away:
            detail = f"{away}. Nothing is signed meanwhile; submissions wait."
            raise Problem(503, "keys-away", title="The store of signing keys does not answer", detail=detail) from None

    return router
