"""Counts the cases by state and the students a department keeps, for the metrics."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from schemas.events import CaseState
from services.kit.observability import metrics

EVERY_S: Final = 30.0

_CASES: Final = "SELECT state, count(*) AS count FROM student_case GROUP BY state"
_OPEN: Final = "SELECT department, count(*) AS count FROM open_status GROUP BY department"


async def measure_season(pool: "asyncpg.Pool[Any]", departments: Collection[str], *, every_s: float = EVERY_S) -> None:
    """Every instance shows the same."""
    while True:
        with suppress_instrumentation():
            cases = {row["state"]: row["count"] for row in await pool.fetch(_CASES)}
            kept = {row["department"]: row["count"] for row in await pool.fetch(_OPEN)}
        for state in CaseState:
            metrics.CASES.set(cases.get(state.value, 0), {"state": state.value})
        for department in departments:
            metrics.OPEN_STATUSES.set(kept.get(department, 0), {"department": department})
        await asyncio.sleep(every_s)
