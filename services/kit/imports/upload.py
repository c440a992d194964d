"""Upload of a file: all of its rows are stored in one transaction, or none."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from services.kit.audit import log
from services.kit.imports import job_store
from services.kit.imports.files.columns import Columns
from services.kit.imports.files.formats import Format, open_file
from services.kit.imports.files.problems import Text, Unimportable, problem
from services.kit.imports.files.rows import ReadRow
from services.kit.imports.job_store import Job, NewJob
from services.kit.imports.repeated_rows import RepeatedRows
from services.kit.imports.row_store import add_rows
from services.kit.imports.spec import ImportSpec, RefusedFile
from services.kit.observability.telemetry import current_traceparent
from services.kit.postgres.pool import Connection

_ROWS_AT_ONCE: Final = 2_000
UNDER_WAY: Final = Text(
    "同一文件正在导入，覆盖的届别、数据时间或来源不同。",
    "The same file is being imported for other cohorts, as of another instant or by another source.",
)
ONCE_DONE: Final = Text("请等那次导入完成后再发送。", "Send it again once that import is done.")


@dataclass(frozen=True, slots=True)
class _Options:
    columns: Columns
    covers: tuple[str, ...]
    as_of: datetime | None

    def require_same(self, job: Job) -> None:
        """Raises `Unimportable` if an unfinished job of the same bytes makes something else of them."""
        source = self.columns.unnamed.source
        # Of a file with headings the source may have been found by them.
        same_source = source == job.source or (source is None and job.format != Format.JSONL.value)
        on_arrival = self.as_of is None and bool(self.covers) and job.as_of == job.uploaded_at
        same_as_of = self.as_of == job.as_of or on_arrival
        if job.covers != self.covers or not same_as_of or not same_source:
            raise Unimportable("file-under-way", UNDER_WAY, ONCE_DONE, status=409)


class Uploads:
    """Accepts one file at a time, which bounds the memory that reading takes."""

    def __init__(self, spec: ImportSpec[Any], pool: "asyncpg.Pool[Any]", clock: Callable[[], datetime]) -> None:
        self._spec = spec
        self._pool = pool
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def accept(
        self,
        kind: Format,
        data: bytes,
        uploaded_by: str,
        *,
        columns: Columns | None = None,
        covers: tuple[str, ...] = (),
        as_of: datetime | None = None,
    ) -> Job:
        """The job of this file: the unfinished one with the same bytes and options, or a new one.

        Without `columns` the source is found by the headings.

        A file that was finished may come again: its rows will be found `unchanged`. Raises `Unimportable`, and then
        nothing was stored, but what the file may have said is an open question.
        """
        async with self._one_at_a_time:
            sha256 = await asyncio.to_thread(lambda: hashlib.sha256(data).digest())
            async with self._pool.acquire() as connection:
                options = _Options(columns or self._spec.file_columns.of(None), covers, as_of)
                job = await job_store.unfinished_job(connection, self._spec.kind, sha256)
                if job is not None:
                    options.require_same(job)
                    return job
                if await job_store.count_unfinished(connection, self._spec.kind) >= job_store.MAX_UNFINISHED:
                    title = Text("等待中的导入过多。", "Too many imports are waiting.")
                    remedy = Text(
                        "请等前面的导入完成后再发送。",
                        "Wait until the imports before it are done; GET /imports lists them.",
                    )
                    raise Unimportable("too-many-imports", title, remedy, status=429)
                try:
                    job = await self._store(connection, kind, data, sha256, uploaded_by, options)
                except Unimportable as error:
                    if self._spec.evidence is not None:
                        problems = error.errors or (problem("", error.title_text, error.remedy_text),)
                        refused = RefusedFile(sha256, covers, problems, uploaded_by)
                        await self._spec.evidence.file_refused(refused, self._clock())
                    raise
                options.require_same(job)
                return job

    async def _store(
        self,
        connection: Connection,
        kind: Format,
        data: bytes,
        sha256: bytes,
        uploaded_by: str,
        options: "_Options",
    ) -> Job:
        now = self._clock()
        table = await asyncio.to_thread(open_file, data, kind, options.columns)
        new = NewJob(
            uuid4(),
            self._spec.kind,
            kind,
            table.encoding,
            sha256,
            uploaded_by,
            now,
            current_traceparent(),
            headings=table.headings.labels,
            warnings=table.warnings,
            source=table.headings.source,
            ignored=table.headings.ignored,
            covers=options.covers,
            as_of=options.as_of or (now if options.covers else None),
        )
        async with connection.transaction():
            added = await job_store.add_job(connection, new)
            if added:
                rows = RepeatedRows(self._spec, table.headings.labels).rejected(table.rows)
                await self._add_rows(connection, new.job_id, rows)
                if table.members is not None:
                    await job_store.keep_headings(connection, new.job_id, options.columns.given(table.members))
                await log.append_entry(
                    connection,
                    actor=uploaded_by,
                    act=f"import.{new.kind}",
                    outcome="taken",
                    details={"job": new.job_id, "sha256": sha256.hex()},
                )
        # Another process was faster with the same file: its job is the one.
        job = await (
            job_store.find_job(connection, self._spec.kind, new.job_id)
            if added
            else job_store.unfinished_job(connection, self._spec.kind, sha256)
        )
        return job if job is not None else await self._store(connection, kind, data, sha256, uploaded_by, options)

    async def _add_rows(self, connection: Connection, job_id: UUID, rows: Iterator[ReadRow]) -> None:
        # Parsed in a thread, a slice at a time: other requests go on, and memory stays bounded.
        while some := await asyncio.to_thread(lambda: list(islice(rows, _ROWS_AT_ONCE))):
            await add_rows(connection, job_id, some)
