"""Covering loads in PostgreSQL: declared, withdrawn, and what they cover.

An assessment that rests on them holds a shared lock, a change of them the exclusive one: after a change every
assessment that may not know it has committed, and is found by its older revision.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from services.kit.names import AdvisoryLock
from services.kit.postgres.pool import Connection
from services.kit.rules.evidence import Coverage


class CoveringLoad(BaseModel):
    """ "Our list is complete as of then", for a cohort or for every student (`cohort` null)."""

    model_config = ConfigDict(frozen=True)

    load_id: UUID
    seq: int = Field(description="Loads are listed by it, newest first.")
    cohort: str | None
    checks: tuple[str, ...]
    as_of: datetime
    declared_by: str
    declared_at: datetime
    job_id: UUID | None = Field(description="The import that covered; null for a declaration at the desk.")
    withdrawn_by: str | None
    withdrawn_at: datetime | None
    withdrawn_reason: str | None


Coverages = dict[str | None, tuple[Coverage, int]]
"""Cohort → what covers it, and the revision."""

_COLUMNS: Final = ", ".join(CoveringLoad.model_fields)
_LOAD: Final = f"SELECT {_COLUMNS} FROM covering_load"
COVERAGE: Final = """
SELECT c.revision,
       (SELECT array_agg(DISTINCT covered) FROM covering_load, unnest(checks) AS covered
        WHERE withdrawn_at IS NULL AND (cohort IS NULL OR cohort = $1)) AS checks,
       EXISTS (SELECT FROM open_question AS refused
               WHERE closed_at IS NULL AND student_id IS NULL AND (cohort IS NULL OR cohort = $1)
                 AND NOT EXISTS (SELECT FROM covering_load AS later
                                 WHERE withdrawn_at IS NULL AND (later.cohort IS NULL OR later.cohort = $1)
                                   AND later.checks @> $2 AND later.as_of >= refused.opened_at)) AS questioned
FROM coverage_revision AS c
"""
"""Of a student of the cohort `$1`; `$2`: all checks."""


async def shared_coverage(connection: Connection, cohort: str | None, every: Iterable[str]) -> tuple[Coverage, int]:
    """What covers a student of this cohort until this transaction ends, and its revision. `every`: all checks."""
    await share(connection)
    return await read_coverage(connection, cohort, every)


async def share(connection: Connection) -> None:
    """No change of the coverage commits before this transaction ends."""
    # A statement of its own: one that waited for the lock would see the state of before.
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", int(AdvisoryLock.COVERAGE))


async def read_coverage(connection: Connection, cohort: str | None, every: Iterable[str]) -> tuple[Coverage, int]:
    row = await connection.fetchrow(COVERAGE, cohort, sorted(every))
    assert row is not None
    return coverage_of(row)


def coverage_of(row: Mapping[str, Any]) -> tuple[Coverage, int]:
    """Of the columns of `COVERAGE`."""
    return Coverage(frozenset(row["checks"] or ()), row["questioned"]), row["revision"]


async def begin_change(connection: Connection) -> None:
    """Waits for every assessment under way, and starts a new revision."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", int(AdvisoryLock.COVERAGE))
    await connection.execute("UPDATE coverage_revision SET revision = revision + 1")


async def declare(
    connection: Connection,
    load_id: UUID,
    *,
    cohort: str | None,
    checks: Iterable[str],
    as_of: datetime,
    by: str,
    now: datetime,
    job_id: UUID | None = None,
) -> CoveringLoad | None:
    """After `begin_change`. None for a load of this id declared before."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO covering_load (load_id, cohort, checks, as_of, declared_by, declared_at, job_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (load_id) DO NOTHING RETURNING {_COLUMNS}
        """,
        load_id,
        cohort,
        sorted(checks),
        as_of,
        by,
        now,
        job_id,
    )
    return _load(row) if row else None


async def find_valid(
    connection: Connection, *, cohort: str | None, checks: Iterable[str], as_of: datetime
) -> CoveringLoad | None:
    """The load that declares exactly this, if one is valid."""
    row = await connection.fetchrow(
        f"{_LOAD} WHERE withdrawn_at IS NULL AND cohort IS NOT DISTINCT FROM $1 AND checks = $2 AND as_of = $3 LIMIT 1",
        cohort,
        sorted(checks),
        as_of,
    )
    return _load(row) if row else None


async def lock_load(connection: Connection, load_id: UUID) -> CoveringLoad | None:
    row = await connection.fetchrow(f"{_LOAD} WHERE load_id = $1 FOR UPDATE", load_id)
    return _load(row) if row else None


async def withdraw(connection: Connection, load_id: UUID, *, by: str, reason: str, now: datetime) -> CoveringLoad:
    """Of a valid load, whose lock the caller holds; after `begin_change`."""
    row = await connection.fetchrow(
        f"""
        UPDATE covering_load SET withdrawn_by = $2, withdrawn_at = $3, withdrawn_reason = $4
        WHERE load_id = $1 RETURNING {_COLUMNS}
        """,
        load_id,
        by,
        now,
        reason,
    )
    assert row is not None
    return _load(row)


async def latest(
    connection: Connection, *, valid: bool | None, before: int | None, limit: int
) -> tuple[list[CoveringLoad], int | None]:
    """The newest, and the `before` of the next page or None."""
    rows = await connection.fetch(
        f"""{_LOAD} WHERE ($1::boolean IS NULL OR (withdrawn_at IS NULL) = $1)
                      AND ($2::bigint IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3""",
        valid,
        before,
        limit + 1,
    )
    more = rows[limit - 1]["seq"] if len(rows) > limit else None
    return [_load(row) for row in rows[:limit]], more


def _load(row: asyncpg.Record) -> CoveringLoad:
    return CoveringLoad.model_validate(dict(row))
