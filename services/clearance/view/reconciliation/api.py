"""Operator routes of the reconciliation."""

from datetime import datetime
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.clearance.view.reconciliation import findings
from services.clearance.view.reconciliation.findings import Finding
from services.kit.audit.log import append_look_up
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import problem_responses
from services.kit.names import OPERATOR


class Compared(BaseModel):
    """The newest comparison of a partition."""

    department: str
    partition: int
    compared_at: datetime
    published: int = Field(description="Statuses that the department has on students of this partition.")
    viewed: int = Field(description="Statuses of them that the view can show.")
    differing: int = Field(description="Comparisons in a row that differed; from the second on it is a finding.")


class FindingPage(BaseModel):
    """`next_before` is the `before` of the next page, null on the last."""

    findings: list[Finding]
    next_before: int | None


def reconciliation_router(pool: "asyncpg.Pool[Any]") -> APIRouter:
    operator = require(OPERATOR)
    router = APIRouter(
        prefix="/reconciliation",
        tags=["reconciliation"],
        responses=problem_responses(401, 403, 422, 503),
        dependencies=[Depends(operator)],
    )

    @router.get("", operation_id="comparisons", summary="List the newest comparison of each department and partition")
    async def list_comparisons() -> list[Compared]:
        """What departments have published, beside what the view can show; one that differs twice is a finding."""
        async with pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT department, partition, compared_at, published, viewed, differing FROM reconciliation"
                " ORDER BY department, partition"
            )
        return [Compared.model_validate(dict(row)) for row in rows]

    @router.get(
        "/findings",
        operation_id="findings",
        summary="List partitions in which the view differs from a department, or did",
    )
    async def list_findings(
        principal: Annotated[Principal, Depends(operator)],
        state: Literal["open", "healed"] = "open",
        before: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=findings.MAX_PAGE)] = 50,
    ) -> FindingPage:
        """Newest first; a healed one agrees again."""
        async with pool.acquire() as connection:
            found = await findings.page(connection, healed=state == "healed", before=before, limit=limit)
            await append_look_up(connection, actor=principal.name, act="finding.list", state=state)
        return FindingPage(findings=found, next_before=found[-1].finding_id if len(found) == limit else None)

    return router
