"""What the published views say of sources, attempts, and the rows of one student."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
from pydantic import ValidationError

from schemas.events import StatusChanged
from services.gateway.timeouts import bounded

_TIMEOUT_S: Final = 10.0
_SOURCES: Final = """
SELECT department, CASE WHEN count(*) = count(alive_as_of) THEN min(alive_as_of) END AS as_of
FROM published.source_v1 GROUP BY department ORDER BY department
"""
_ATTEMPTS: Final = """
SELECT state, count(*) AS count, min(opened_at) AS oldest FROM published.attempt_v1 GROUP BY state ORDER BY state
"""
_ROWS: Final = """
SELECT department, version, occurred_at, heard_at, readable, alive_as_of, status, source_partition, source_offset,
       unreadable_offset
FROM published.status_v1 WHERE student_id = $1 ORDER BY department
"""
_NAME: Final = "SELECT name, state FROM published.roster_v1 WHERE student_id = $1"


@dataclass(frozen=True, slots=True)
class Source:
    """`as_of`: everything before it is in the view; None before the first mark of a partition."""

    department: str
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptCount:
    state: str
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class ViewRow:
    """What the view holds of a department about a student, and from which record."""

    department: str
    version: int
    occurred_at: datetime | None
    received_at: datetime
    readable: bool
    alive_as_of: datetime | None
    status: StatusChanged | None
    partition: int
    offset: int
    unreadable_offset: int | None


class OperatingReader:
    """Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def sources(self) -> tuple[Source, ...]:
        rows = await bounded(self._pool.fetch(_SOURCES), timeout_s=_TIMEOUT_S)
        return tuple(Source(row["department"], row["as_of"]) for row in rows)

    async def attempts(self) -> tuple[AttemptCount, ...]:
        rows = await bounded(self._pool.fetch(_ATTEMPTS), timeout_s=_TIMEOUT_S)
        return tuple(AttemptCount(row["state"], row["count"], row["oldest"]) for row in rows)

    async def roster_name(self, student_id: str) -> tuple[str, str] | None:
        """Name and state of the case."""
        row = await bounded(self._pool.fetchrow(_NAME, student_id))
        return (row["name"], row["state"]) if row else None

    async def view_of(self, student_id: str) -> dict[str, ViewRow]:
        """By department."""
        rows = await bounded(self._pool.fetch(_ROWS, student_id))
        return {row["department"]: _view_row(row) for row in rows}


def _view_row(row: asyncpg.Record) -> ViewRow:
    try:
        status = StatusChanged.model_validate_json(row["status"]) if row["status"] else None
    except ValidationError:
        status = None
    return ViewRow(
        department=row["department"],
        version=row["version"],
        occurred_at=row["occurred_at"],
        received_at=row["heard_at"],
        readable=row["readable"],
        alive_as_of=row["alive_as_of"],
        status=status,
        partition=row["source_partition"],
        offset=row["source_offset"],
        unreadable_offset=row["unreadable_offset"],
    )
