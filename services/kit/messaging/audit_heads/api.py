"""Operator route that verifies a service's whole audit, against the heads that Kafka keeps of it."""

import asyncio
from typing import Annotated, Any, Final

import asyncpg
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.kit.audit.chain import Head, verify
from services.kit.audit.heads import standing
from services.kit.audit.log import append_entry
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import problem_responses
from services.kit.manifests import discover
from services.kit.messaging.audit_heads.topic import published_heads
from services.kit.names import OPERATOR
from services.kit.settings import Settings
from services.kit.signing.configured import verifier_of

KAFKA_WITHIN_S: Final = 10.0


class ChainAnswer(BaseModel):
    """What is proven of the entries up to `head`: none was changed, removed or put between since they were sealed."""

    model_config = ConfigDict(frozen=True)

    sealed: int = Field(description="Entries whose seals were followed.")
    unsealed: int = Field(description="Entries of the last moments, which no seal proves yet.")
    head: str = Field(description="`SEQ:HASH` of the newest seal.")
    kept: int | None = Field(description="Newest seal that Kafka keeps too, 0 for none; null: Kafka was not reached.")
    problems: tuple[str, ...]


class ChainCheck:
    """One at a time: it reads every entry."""

    def __init__(self, pool: "asyncpg.Pool[Any]", settings: Settings, service: str) -> None:
        self._pool, self._settings, self._service = pool, settings, service
        self._alone = asyncio.Lock()

    async def verified(self, *, by: str) -> ChainAnswer:
        async with self._alone:
            heads = await self._heads()
            async with self._pool.acquire() as connection:
                report = await verify(connection, heads=heads or ())
                outcome = "differs" if report.problems else "whole"
                await append_entry(
                    connection, actor=by, act="audit.verify", outcome=outcome, details={"head": report.head.seq}
                )
        return ChainAnswer(
            sealed=report.sealed,
            unsealed=report.unsealed,
            head=str(report.head),
            kept=None if heads is None else max((head.seq for head in heads), default=0),
            problems=report.problems,
        )

    async def _heads(self) -> list[Head] | None:
        signed = verifier_of(self._settings, discover(self._settings.services_folder))
        topic = self._settings.topics.audit(self._service)
        try:
            async with asyncio.timeout(KAFKA_WITHIN_S):
                found = await published_heads(self._settings.kafka_connection, topic, verify=signed)
        except (KafkaError, OSError, LookupError, TimeoutError):
            return None
        return standing(found.kept)


def chain_router(pool: "asyncpg.Pool[Any]", settings: Settings, service: str) -> APIRouter:
    router = APIRouter(prefix="/audit", tags=["audit"], responses=problem_responses(401, 403, 503))
    check = ChainCheck(pool, settings, service)

    @router.post("/verify", operation_id="verify-audit", summary="Verify every seal of the audit")
    async def verify_audit(principal: Annotated[Principal, Depends(require(OPERATOR))]) -> ChainAnswer:
        """Reads every entry, one request at a time, which may take minutes; compares the seals with Kafka's."""
        return await check.verified(by=principal.name)

    return router
