"""Taking a file in: whole, in one transaction, or not at all."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from services.kit.audit import log
from services.kit.imports import job_store
from services.kit.imports.columns import ReadRow, Unimportable
from services.kit.imports.formats import Format, encoding_of, read_rows
from services.kit.imports.job_store import Job, Upload
from services.kit.imports.spec import ImportSpec
from services.kit.observability.telemetry import current_traceparent
from services.kit.postgres.pool import Connection

_ROWS_AT_ONCE: Final = 2_000


class Staging:
    """Takes files in, one at a time: what is read of a file is bounded, and so is their number."""

    def __init__(self, spec: ImportSpec[Any], pool: "asyncpg.Pool[Any]", clock: Callable[[], datetime]) -> None:
        self._spec = spec
        self._pool = pool
        self._clock = clock
        self._one = asyncio.Lock()

    async def take(self, kind: Format, data: bytes, uploaded_by: str) -> Job:
        """The job of this file: the unfinished one if the same bytes are being worked on, else a new one.

        A finished file may come again: it becomes a new job, whose rows find everything as they say it is.
        Raises `Unimportable`; then nothing was taken in.
        """
        async with self._one:
            sha256 = await asyncio.to_thread(lambda: hashlib.sha256(data).digest())
            async with self._pool.acquire() as connection:
                known = await job_store.unfinished(connection, self._spec.kind, sha256)
                if known is not None:
                    return known
                if await job_store.waiting(connection, self._spec.kind) >= job_store.MAX_UNFINISHED:
                    remedy = "Wait until the imports before it are done; GET /imports shows them."
                    raise Unimportable("too-many-imports", "Too many imports are waiting", remedy, status=429)
                return await self._stage(connection, kind, data, sha256, uploaded_by)

    async def _stage(self, connection: Connection, kind: Format, data: bytes, sha256: bytes, uploaded_by: str) -> Job:
        encoding = await asyncio.to_thread(encoding_of, data) if kind is Format.CSV else "utf-8"
        upload = Upload(
            uuid4(), self._spec.kind, kind, encoding, sha256, uploaded_by, self._clock(), current_traceparent()
        )
        async with connection.transaction():
            new = await job_store.begin(connection, upload)
            if new:
                await self._fill(connection, upload.job_id, read_rows(data, kind, self._spec.columns))
                await log.append_entry(
                    connection,
                    actor=uploaded_by,
                    act=f"import.{upload.kind}",
                    outcome="taken",
                    details={"job": upload.job_id, "sha256": sha256.hex()},
                )
        # Another process was quicker with the same file: theirs is the job.
        job = await (
            job_store.find(connection, self._spec.kind, upload.job_id)
            if new
            else job_store.unfinished(connection, self._spec.kind, sha256)
        )
        return job if job is not None else await self._stage(connection, kind, data, sha256, uploaded_by)

    async def _fill(self, connection: Connection, job_id: UUID, rows: Iterator[ReadRow]) -> None:
        # Read beside the event loop and a piece at a time: other requests go on, and memory stays small.
        while some := await asyncio.to_thread(lambda: list(islice(rows, _ROWS_AT_ONCE))):
            await job_store.add_rows(connection, job_id, some)
