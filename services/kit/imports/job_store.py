"""Jobs and their rows in PostgreSQL. Every function takes part in the caller's transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from services.kit.audit import log
from services.kit.imports.columns import ReadRow, RowProblem
from services.kit.postgres.pool import Connection

JobState = Literal["queued", "running", "done"]
RowState = Literal["pending", "applied", "unchanged", "rejected"]

KEPT: Final = timedelta(days=90)
"""A finished job is forgotten after this, with its rows."""
MAX_UNFINISHED: Final = 20


class Job(BaseModel):
    """An import as it is now. A row is done when it is applied, unchanged or rejected."""

    model_config = ConfigDict(frozen=True)

    job_id: UUID
    state: JobState
    format: Literal["csv", "jsonl", "xlsx"]
    encoding: str = Field(description="How the text was read: `utf-8` or `gb18030`.")
    rows_total: int
    rows_done: int
    applied: int
    unchanged: int = Field(description="Rows that say what is on record already.")
    rejected: int
    uploaded_by: str
    uploaded_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RowResult(BaseModel):
    """What became of one row; `row` counts as the file's own program does: the headings are row 1."""

    model_config = ConfigDict(frozen=True)

    row: int
    state: RowState
    problems: tuple[RowProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Upload:
    """What is known of a file before its rows."""

    job_id: UUID
    kind: str
    format: str
    encoding: str
    sha256: bytes
    uploaded_by: str
    uploaded_at: datetime
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Pending:
    number: int
    cells: dict[str, str]
    held_tries: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a row that was tried."""

    number: int
    state: RowState
    problems: tuple[RowProblem, ...] | None = None


_JOB: Final = """
    SELECT job_id, state, format, encoding, rows_total, applied + unchanged + rejected AS rows_done, applied, unchanged,
           rejected, uploaded_by, uploaded_at, started_at, finished_at, seq
    FROM import_job
"""


def _job(row: asyncpg.Record) -> Job:
    return Job.model_validate(dict(row))


async def begin(connection: Connection, upload: Upload) -> bool:
    """Register a job; False when the same file is being worked on already (then `unfinished` finds it)."""
    added = await connection.fetchval(
        """
        INSERT INTO import_job (job_id, kind, format, encoding, sha256, uploaded_by, uploaded_at, traceparent)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (kind, sha256) WHERE state <> 'done' DO NOTHING RETURNING true
        """,
        upload.job_id,
        upload.kind,
        upload.format,
        upload.encoding,
        upload.sha256,
        upload.uploaded_by,
        upload.uploaded_at,
        upload.traceparent,
    )
    return bool(added)


async def add_rows(connection: Connection, job_id: UUID, rows: Sequence[ReadRow]) -> None:
    """Take in rows, those that are refused already as rejected."""
    await connection.copy_records_to_table(
        "import_row",
        columns=["job_id", "row_number", "state", "cells", "problems"],
        records=[
            (
                job_id,
                row.number,
                "rejected" if row.problems else "pending",
                json.dumps(row.cells, ensure_ascii=False),
                json.dumps(row.problems, ensure_ascii=False) if row.problems else None,
            )
            for row in rows
        ],
    )
    await connection.execute(
        "UPDATE import_job SET rows_total = rows_total + $2, rejected = rejected + $3 WHERE job_id = $1",
        job_id,
        len(rows),
        sum(bool(row.problems) for row in rows),
    )


async def unfinished(connection: Connection, kind: str, sha256: bytes) -> Job | None:
    """The unfinished job of this very file, if there is one."""
    row = await connection.fetchrow(f"{_JOB} WHERE kind = $1 AND sha256 = $2 AND state <> 'done'", kind, sha256)
    return _job(row) if row else None


async def waiting(connection: Connection, kind: str) -> int:
    count: int = await connection.fetchval("SELECT count(*) FROM import_job WHERE kind = $1 AND state <> 'done'", kind)
    return count


async def find(connection: Connection, kind: str, job_id: UUID) -> Job | None:
    row = await connection.fetchrow(f"{_JOB} WHERE kind = $1 AND job_id = $2", kind, job_id)
    return _job(row) if row else None


async def latest(connection: Connection, kind: str, *, before: int | None, limit: int) -> tuple[list[Job], int | None]:
    """The newest jobs, and where the next page begins (its `before`), or None at the end."""
    rows = await connection.fetch(
        f"{_JOB} WHERE kind = $1 AND ($2::bigint IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3",
        kind,
        before,
        limit + 1,
    )
    more = rows[limit - 1]["seq"] if len(rows) > limit else None
    return [_job(row) for row in rows[:limit]], more


async def results(
    connection: Connection, job_id: UUID, *, state: RowState | None, after: int, limit: int
) -> list[RowResult]:
    """The results of the rows with numbers above `after`, in order."""
    rows = await connection.fetch(
        """
        SELECT row_number, state, problems FROM import_row
        WHERE job_id = $1 AND row_number > $2 AND ($3::text IS NULL OR state = $3) ORDER BY row_number LIMIT $4
        """,
        job_id,
        after,
        state,
        limit,
    )
    return [
        RowResult(row=row["row_number"], state=row["state"], problems=json.loads(row["problems"] or "[]"))
        for row in rows
    ]


async def rejected(
    connection: Connection, job_id: UUID, *, after: int, limit: int
) -> list[tuple[int, dict[str, str], list[RowProblem]]]:
    """Rejected rows with what they said, for whoever sent them to correct."""
    rows = await connection.fetch(
        """
        SELECT row_number, cells, problems FROM import_row
        WHERE job_id = $1 AND state = 'rejected' AND row_number > $2 ORDER BY row_number LIMIT $3
        """,
        job_id,
        after,
        limit,
    )
    return [(row["row_number"], json.loads(row["cells"]), json.loads(row["problems"])) for row in rows]


async def next_job(connection: Connection, kind: str) -> tuple[UUID, str | None] | None:
    """The oldest unfinished job and the trace it was sent in."""
    row = await connection.fetchrow(
        "SELECT job_id, traceparent FROM import_job WHERE kind = $1 AND state <> 'done' ORDER BY seq LIMIT 1", kind
    )
    return (row["job_id"], row["traceparent"]) if row else None


async def start(connection: Connection, job_id: UUID, now: datetime) -> None:
    await connection.execute(
        "UPDATE import_job SET state = 'running', started_at = $2 WHERE job_id = $1 AND state = 'queued'", job_id, now
    )


async def finish(connection: Connection, job_id: UUID, now: datetime) -> None:
    """Raises `CheckViolationError` when a row is not done: a mistake of ours, and never said to be finished."""
    async with connection.transaction():
        job = await connection.fetchrow(
            """
            UPDATE import_job SET state = 'done', finished_at = $2 WHERE job_id = $1 AND state <> 'done'
            RETURNING kind, uploaded_by, applied, unchanged, rejected
            """,
            job_id,
            now,
        )
        if job is None:
            return
        counts = {name: job[name] for name in ("applied", "unchanged", "rejected")}
        await log.append_entry(
            connection,
            actor=job["uploaded_by"],
            act=f"import.{job['kind']}",
            outcome="done",
            details={"job": job_id, **counts},
        )


async def pending(connection: Connection, job_id: UUID, *, after: int, limit: int) -> list[Pending]:
    rows = await connection.fetch(
        """
        SELECT row_number, cells, held_tries FROM import_row
        WHERE job_id = $1 AND state = 'pending' AND row_number > $2 ORDER BY row_number LIMIT $3
        """,
        job_id,
        after,
        limit,
    )
    return [Pending(row["row_number"], json.loads(row["cells"]), row["held_tries"]) for row in rows]


async def settle(connection: Connection, job_id: UUID, settled: Sequence[Settled], held: Sequence[int]) -> None:
    """Write down what became of rows, in the transaction of their effects, and count it on the job.

    `held` are rows that wait for a hold to end: they stay pending, with one try more. The condition on `state` makes a
    row's result final.
    """
    if settled:
        await connection.execute(
            """
            WITH done AS (
                UPDATE import_row SET state = said.state, problems = said.problems,
                                      cells = CASE WHEN said.state = 'rejected' THEN cells END
                FROM unnest($2::int[], $3::text[], $4::jsonb[]) AS said (number, state, problems)
                WHERE job_id = $1 AND row_number = said.number AND import_row.state = 'pending'
                RETURNING said.state
            )
            UPDATE import_job SET
                applied = applied + (SELECT count(*) FROM done WHERE state = 'applied'),
                unchanged = unchanged + (SELECT count(*) FROM done WHERE state = 'unchanged'),
                rejected = rejected + (SELECT count(*) FROM done WHERE state = 'rejected')
            WHERE job_id = $1
            """,
            job_id,
            [each.number for each in settled],
            [each.state for each in settled],
            [None if each.problems is None else json.dumps(each.problems, ensure_ascii=False) for each in settled],
        )
    if held:
        await connection.execute(
            "UPDATE import_row SET held_tries = held_tries + 1 WHERE job_id = $1 AND row_number = ANY ($2::int[])",
            job_id,
            list(held),
        )


async def forget(connection: Connection, kind: str, now: datetime) -> None:
    """Delete the oldest job that is finished for longer than `KEPT`: one, so that the statement stays short."""
    await connection.execute(
        """
        DELETE FROM import_job WHERE job_id = (
            SELECT job_id FROM import_job WHERE kind = $1 AND state = 'done' AND finished_at < $2 ORDER BY seq LIMIT 1
        )
        """,
        kind,
        now - KEPT,
    )
