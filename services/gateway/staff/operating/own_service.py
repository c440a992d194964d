"""The gateway as one of the services that an operator asks: without a token, in its own process."""

from dataclasses import dataclass, field
from typing import Any

import asyncpg

from schemas.flows import GATEWAY
from services.gateway.settings import GatewaySettings
from services.kit.http.operators.audit_routes import AuditPage, AuditQuery, audit_page
from services.kit.messaging.audit_heads.api import ChainAnswer, ChainCheck
from services.kit.signing.inventory import SigningInventory, inventory_of


@dataclass(frozen=True, slots=True)
class OwnService:
    pool: "asyncpg.Pool[Any]"
    settings: GatewaySettings
    name: str = GATEWAY
    _chain: ChainCheck = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_chain", ChainCheck(self.pool, self.settings, GATEWAY))

    async def audit(self, person: str, query: AuditQuery) -> AuditPage:
        async with self.pool.acquire() as connection:
            return await audit_page(connection, query, by=person)

    async def chain(self, person: str) -> ChainAnswer:
        return await self._chain.verified(by=person)

    async def keys(self, person: str) -> SigningInventory:
        return inventory_of(self.settings)
