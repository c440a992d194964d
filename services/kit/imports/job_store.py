"""Import jobs in PostgreSQL. Every function takes part in the caller's transaction."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from services.kit.audit import log
from services.kit.imports.spec import CoveringFile, RowSource
from services.kit.postgres.pool import Connection

JobState = Literal["queued", "running", "done"]

MAX_UNFINISHED: Final = 20


class Job(BaseModel):
    """An import as it stands. A row is done when it is applied, unchanged, rejected or outdated."""

    model_config = ConfigDict(frozen=True)

    job_id: UUID
    state: JobState
    format: Literal["csv", "jsonl", "xlsx"]
    encoding: str = Field(description="Encoding the text was decoded with: `utf-8`, `utf-16` or `gb18030`.")
    warnings: tuple[str, ...] = Field(description="What of the file was not read, or might surprise: hidden sheets, …")
    source: str | None = Field(description="The source by which the file was read; null for the import's own columns.")
    ignored: tuple[str, ...] = Field(description="Headings of the columns that the source ignores.")
    rows_total: int
    rows_done: int
    rows_waiting: int = Field(
        description="Rows kept back while their student's submission is being decided. They are tried until it is."
    )
    applied: int
    unchanged: int = Field(description="Rows that state what is on record already.")
    rejected: int
    outdated: int = Field(description="Rows that are older than what is on record and would undo it: left out.")
    unknown_students: int = Field(description="Rows about numbers that are not on the roster: mistyped, or too early.")
    effects: dict[str, int] = Field(
        description="What the rows did, as the import counts it. A roster: `opened`, `changed`, `closed`, `unchanged`, "
        "`not-served`. Empty for a department."
    )
    unrecognised: tuple[str, ...] = Field(
        description="Words of the rows that the configuration does not have: leave categories that open no case."
    )
    students_questioned: int = Field(
        description="Students left in doubt by rejected rows, once the job is done: their checks wait for an answer."
    )
    covers: tuple[str, ...] = Field(description="Cohorts the file is the complete list of; `*` for every student.")
    as_of: datetime | None = Field(description="When the list was complete.")
    covered: bool | None = Field(
        description="Whether it covers them: not with rejected rows of nobody on the roster, parts left out, or no row."
    )
    uploaded_by: str
    uploaded_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is registered, before its rows."""

    job_id: UUID
    kind: str
    format: str
    encoding: str
    sha256: bytes
    uploaded_by: str
    uploaded_at: datetime
    traceparent: str | None
    headings: Mapping[str, str]
    """Field → the heading of its column in the file."""
    warnings: tuple[str, ...]
    source: str | None = None
    ignored: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    as_of: datetime | None = None


_COUNTED: Final = ("applied", "unchanged", "rejected", "outdated", "unknown_students", "students_questioned")
_JOB: Final = """
    SELECT job_id, state, format, encoding, warnings, source, ignored, rows_total,
           applied + unchanged + rejected + outdated AS rows_done,
           (SELECT count(*) FROM import_row WHERE import_row.job_id = import_job.job_id
            AND import_row.state = 'pending' AND held_tries > 0) AS rows_waiting,
           applied, unchanged, rejected, outdated, unknown_students, effects, unrecognised, students_questioned,
           covers, as_of, covered,
           uploaded_by, uploaded_at, started_at, finished_at, seq
    FROM import_job
"""


def _job(row: asyncpg.Record) -> Job:
    return Job.model_validate(
        {
            **row,
            "warnings": json.loads(row["warnings"]),
            "ignored": json.loads(row["ignored"]),
            "effects": json.loads(row["effects"]),
        }
    )


async def add_job(connection: Connection, job: NewJob) -> bool:
    """Register a job; False while another one has the same file (`unfinished_job` finds that one)."""
    added = await connection.fetchval(
        """
        INSERT INTO import_job (job_id, kind, format, encoding, sha256, uploaded_by, uploaded_at, traceparent,
                                headings, warnings, source, ignored, covers, as_of)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        ON CONFLICT (kind, sha256) WHERE state <> 'done' DO NOTHING RETURNING true
        """,
        job.job_id,
        job.kind,
        job.format,
        job.encoding,
        job.sha256,
        job.uploaded_by,
        job.uploaded_at,
        job.traceparent,
        json.dumps(dict(job.headings), ensure_ascii=False),
        json.dumps(job.warnings, ensure_ascii=False),
        job.source,
        json.dumps(job.ignored, ensure_ascii=False),
        list(job.covers),
        job.as_of,
    )
    return bool(added)


async def unfinished_job(connection: Connection, kind: str, sha256: bytes) -> Job | None:
    """The unfinished job of the file with this hash."""
    row = await connection.fetchrow(f"{_JOB} WHERE kind = $1 AND sha256 = $2 AND state <> 'done'", kind, sha256)
    return _job(row) if row else None


async def count_unfinished(connection: Connection, kind: str) -> int:
    count: int = await connection.fetchval("SELECT count(*) FROM import_job WHERE kind = $1 AND state <> 'done'", kind)
    return count


async def find_job(connection: Connection, kind: str, job_id: UUID) -> Job | None:
    row = await connection.fetchrow(f"{_JOB} WHERE kind = $1 AND job_id = $2", kind, job_id)
    return _job(row) if row else None


async def latest_jobs(
    connection: Connection, kind: str, *, before: int | None, limit: int
) -> tuple[list[Job], int | None]:
    """The newest jobs, and the `before` of the next page or None."""
    rows = await connection.fetch(
        f"{_JOB} WHERE kind = $1 AND ($2::bigint IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3",
        kind,
        before,
        limit + 1,
    )
    more = rows[limit - 1]["seq"] if len(rows) > limit else None
    return [_job(row) for row in rows[:limit]], more


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """`traceparent` is the upload's, `headings` the file's: field → heading. `covering`: if the file is to cover."""

    source: RowSource
    traceparent: str | None
    headings: Mapping[str, str]
    covering: CoveringFile | None = None

    @property
    def job_id(self) -> UUID:
        return self.source.job_id


async def is_waiting(connection: Connection, kind: str) -> bool:
    """Whether a job of this kind is not done."""
    waits: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM import_job WHERE kind = $1 AND state <> 'done')", kind
    )
    return waits


async def unfinished_jobs(connection: Connection, kind: str) -> list[WaitingJob]:
    """The oldest first."""
    rows = await connection.fetch(
        """
        SELECT job_id, uploaded_by, uploaded_at, traceparent, headings, covers, as_of FROM import_job
        WHERE kind = $1 AND state <> 'done' ORDER BY seq
        """,
        kind,
    )
    return [_waiting_job(row) for row in rows]


def _waiting_job(row: asyncpg.Record) -> WaitingJob:
    source = RowSource(row["job_id"], row["uploaded_by"], row["as_of"] or row["uploaded_at"])
    headings: dict[str, str] = json.loads(row["headings"])
    covers = tuple(row["covers"])
    covering = CoveringFile(source, covers, row["as_of"], frozenset(headings)) if covers else None
    return WaitingJob(source, row["traceparent"], headings, covering)


async def read_whole(connection: Connection, job_id: UUID) -> bool:
    """Whether a job left nothing out: a row, no part unread, and of every rejected row a student to be in doubt.

    A number that the roster does not have may be a mistyped one, whose student would seem to have no row.
    """
    whole: bool = await connection.fetchval(
        """
        SELECT rows_total > 0 AND warnings = '[]' AND NOT EXISTS (
            SELECT FROM import_row AS refused
            WHERE refused.job_id = $1 AND state = 'rejected' AND (student_id IS NULL OR standing = 'unknown')
        ) FROM import_job WHERE job_id = $1
        """,
        job_id,
    )
    return whole


async def headings_of(connection: Connection, job_id: UUID) -> dict[str, str]:
    """Field → the heading of its column in the job's file."""
    headings: dict[str, str] = json.loads(
        await connection.fetchval("SELECT headings FROM import_job WHERE job_id = $1", job_id) or "{}"
    )
    return headings


async def keep_headings(connection: Connection, job_id: UUID, fields: Collection[str | None]) -> None:
    """Of a file without headings: of the fields that its rows name. It is the whole list of nothing else."""
    await connection.execute(
        """
        UPDATE import_job SET headings = (
            SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(headings) WHERE key = ANY($2::text[]))
        WHERE job_id = $1
        """,
        job_id,
        [field for field in fields if field],
    )


async def start_job(connection: Connection, job_id: UUID, now: datetime) -> bool:
    """False if it runs already."""
    started = await connection.execute(
        "UPDATE import_job SET state = 'running', started_at = $2 WHERE job_id = $1 AND state = 'queued'", job_id, now
    )
    return str(started) != "UPDATE 0"


async def finish_job(connection: Connection, job_id: UUID, now: datetime, *, covered: bool | None = None) -> None:
    """Raises `CheckViolationError` while a row is not done: a job never ends without its rows."""
    async with connection.transaction():
        job = await connection.fetchrow(
            """
            UPDATE import_job SET state = 'done', finished_at = $2, covered = $3, students_questioned = (
                SELECT count(DISTINCT student_id) FROM import_row WHERE job_id = $1 AND import_row.state = 'rejected')
            WHERE job_id = $1 AND state <> 'done'
            RETURNING kind, uploaded_by, applied, unchanged, rejected, outdated, unknown_students,
                      students_questioned
            """,
            job_id,
            now,
            covered,
        )
        if job is None:
            return
        counts = {name: job[name] for name in _COUNTED}
        await log.append_entry(
            connection,
            actor=job["uploaded_by"],
            act=f"import.{job['kind']}",
            outcome="done",
            details={"job": job_id, **counts},
        )
