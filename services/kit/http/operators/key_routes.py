"""Operator route of the keys that a service signs records with and believes, and of its certificate: public parts."""

from typing import Annotated

from fastapi import APIRouter, Depends

from services.kit.http.access.auth import require
from services.kit.http.problems import problem_responses
from services.kit.names import OPERATOR
from services.kit.settings import Settings
from services.kit.signing.inventory import SigningInventory, inventory_of


def key_router(settings: Settings) -> APIRouter:
    router = APIRouter(tags=["keys"], responses=problem_responses(401, 403, 503))

    @router.get("/keys", operation_id="list-keys", summary="List keys of records, without private parts")
    async def list_keys(_: Annotated[object, Depends(require(OPERATOR))]) -> SigningInventory:
        """The service's own, those of others that it believes, and until when its certificate is good."""
        return inventory_of(settings)

    return router
