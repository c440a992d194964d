"""Operator routes of a service's audit: searched page by page, never without an entry of who searched."""

from datetime import datetime
from typing import Annotated, Any, Final

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from schemas.types import storable_instant
from services.kit.audit import log, search
from services.kit.audit.search import AuditFilter
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import problem_responses
from services.kit.names import OPERATOR
from services.kit.postgres.pool import Connection
from services.kit.rules.fields import Line
from services.kit.student_numbers import StudentNumber

SEARCH: Final = "audit.search"


SearchedInstant = Annotated[AwareDatetime, AfterValidator(storable_instant)]


class AuditQuery(BaseModel):
    """Each member narrows the search; null does not."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    since: SearchedInstant | None = None
    until: SearchedInstant | None = Field(None, description="Excluded.")
    act: Line | None = Field(None, description="Itself and those below it: `desk` finds `desk.return`.")
    actor: Line | None = Field(None, description="As the audit has it, or the account behind `gateway: …`.")
    student_id: StudentNumber | None = None
    outcome: Line | None = None
    before: int | None = Field(None, ge=1, le=2**63 - 1, description="`next_before` of the page before.")
    limit: int = Field(50, ge=1, le=search.MAX_PAGE)

    @property
    def wanted(self) -> AuditFilter:
        return AuditFilter(self.since, self.until, self.act, self.actor, self.student_id, self.outcome)


class SealedEntry(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)

    entry_id: int
    at: datetime
    actor: str
    act: str
    outcome: str
    student_id: str | None
    details: dict[str, Any]
    seal: int | None = Field(description="Its number in the chain; null before it is sealed.")
    intact: bool | None = Field(description="Whether the seal fits the entry and the last seal.")


class AuditPage(BaseModel):
    """Newest first. `next_before` is null on the last page."""

    model_config = ConfigDict(frozen=True)

    entries: tuple[SealedEntry, ...]
    next_before: int | None


def audit_router(pool: "asyncpg.Pool[Any]") -> APIRouter:
    router = APIRouter(prefix="/audit", tags=["audit"], responses=problem_responses(401, 403, 422, 503))

    @router.post("/query", operation_id="search-audit", summary="Search the audit: personal data")
    async def search_audit(body: AuditQuery, principal: Annotated[Principal, Depends(require(OPERATOR))]) -> AuditPage:
        """Newest first, with whether the seal of each fits. The search is an entry itself."""
        async with pool.acquire() as connection:
            return await audit_page(connection, body, by=principal.name)

    return router


async def audit_page(connection: Connection, query: AuditQuery, *, by: str) -> AuditPage:
    """What was searched for is an entry first; the student it was about is that entry's."""
    filters = query.model_dump(mode="json", exclude_none=True, exclude={"student_id", "limit"})
    await log.append_entry(
        connection, actor=by, act=SEARCH, outcome=log.READ, student_id=query.student_id, details={"filters": filters}
    )
    found = await search.found(connection, query.wanted, before=query.before, limit=query.limit + 1)
    page = found[: query.limit]
    following = page[-1].entry_id if len(found) > len(page) else None
    return AuditPage(entries=tuple(SealedEntry.model_validate(one) for one in page), next_before=following)
