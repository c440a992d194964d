"""The worker of an import: jobs in order, rows in file order, each row's effect and its result in one transaction.

Several rows share a transaction, each behind a savepoint; what a restart finds is a whole number of rows done.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import Link
from pydantic import ValidationError

from services.kit.imports import job_store
from services.kit.imports.columns import RowProblem
from services.kit.imports.job_store import Pending, Settled
from services.kit.imports.spec import ImportSpec, explained
from services.kit.messaging.outbox import Wakeup
from services.kit.names import import_worker_lock
from services.kit.observability.telemetry import remote_context
from services.kit.operations import Held, Refused
from services.kit.postgres.pool import Connection, transient

ROWS_AT_ONCE: Final = 50
"""Of one transaction: its locks hold up the desk, and its length the relay, for some tens of milliseconds."""
_POLL_S: Final = 2.0
_MAX_FAILURES: Final = 5
"""In a row, before the worker lets its keeper know."""
_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("lixiao.imports")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a row waits for a hold to end: `tries`, with delays that double from the first to the longest."""

    tries: int = 12
    first_delay_s: float = 0.5
    longest_delay_s: float = 4.0

    def delay_s(self, passes: int) -> float:
        return min(self.first_delay_s * 2.0 ** min(passes, 16), self.longest_delay_s)


@dataclass
class _Pass:
    """One walk over a job's pending rows. Later rows of a student whose row is held wait with it, in order."""

    after: int = 0
    held_students: set[str] = field(default_factory=set)


class ImportWorker:
    """Works off the jobs of one kind. Any number may run, in any number of processes: one works, the others wait."""

    def __init__(
        self,
        spec: ImportSpec[Any],
        pool: "asyncpg.Pool[Any]",
        wake: Wakeup,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience: Patience | None = None,
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> None:
        self._spec = spec
        self._pool = pool
        self._wake = wake
        self._clock = clock
        self._patience = patience or Patience()
        self._most = rows_at_once

    async def run(self) -> None:
        """Work until cancelled. Raises when the database stays away, for `background` to say so and start it again."""
        failures = 0
        while True:
            try:
                worked = await self.work()
                failures = 0
            except Exception as error:
                failures += 1
                if not transient(error) or failures > _MAX_FAILURES:
                    raise
                _log.warning("import.waits", kind=self._spec.kind, wrong=type(error).__name__)
                await asyncio.sleep(0.1 * 2**failures)
                continue
            if not worked:
                await self._wake.wait(_POLL_S)

    async def work(self) -> bool:
        """Work off every job there is, if no other worker does; whether this one did anything."""
        with suppress_instrumentation():
            async with self._pool.acquire() as connection:
                # The lock and the work are of one connection: whoever loses the one has lost the other.
                if not await connection.fetchval(_LEAD, import_worker_lock(self._spec.kind)):
                    return False
                worked = False
                while (found := await job_store.next_job(connection, self._spec.kind)) is not None:
                    await self._job(connection, *found)
                    worked = True
                await job_store.forget(connection, self._spec.kind, self._clock())
                await connection.execute(_RESIGN, import_worker_lock(self._spec.kind))
                return worked

    async def _job(self, connection: Connection, job_id: UUID, traceparent: str | None) -> None:
        await job_store.start(connection, job_id, self._clock())
        _log.info("import.started", kind=self._spec.kind, job=str(job_id))
        passes = 0
        while await self._walk(connection, job_id, traceparent):
            await asyncio.sleep(self._patience.delay_s(passes))
            passes += 1
        await job_store.finish(connection, job_id, self._clock())
        _log.info("import.done", kind=self._spec.kind, job=str(job_id))

    async def _walk(self, connection: Connection, job_id: UUID, traceparent: str | None) -> bool:
        """Go over the pending rows once; whether some still wait for a hold."""
        walk = _Pass()
        links = _links(traceparent)
        size, failures = self._most, 0
        while True:
            try:
                # A trace of its own for each few rows: a large file in one trace would be too large to look at.
                with _tracer.start_as_current_span("import rows", context=Context(), links=links):
                    went_on = await self._some(connection, job_id, walk, size)
            except asyncpg.PostgresError as error:
                failures += 1
                if not transient(error) or failures > _MAX_FAILURES or connection.is_closed():
                    raise
                # A deadlock, as a rule: fewer rows at once cannot lock in the wrong order.
                size = 1
                await asyncio.sleep(0.05 * 2**failures)
                continue
            if not went_on:
                return bool(walk.held_students)
            size, failures = min(2 * size, self._most), 0
            self._spec.after_commit()

    async def _some(self, connection: Connection, job_id: UUID, walk: _Pass, size: int) -> bool:
        """One transaction: the next rows and their results. False when there are no more."""
        settled: list[Settled] = []
        held: list[int] = []
        students: set[str] = set()
        async with connection.transaction():
            rows = await job_store.pending(connection, job_id, after=walk.after, limit=size)
            for row in rows:
                outcome = await self._row(connection, row, walk.held_students | students)
                if isinstance(outcome, Settled):
                    settled.append(outcome)
                else:
                    students.add(outcome.student_id)
                    if outcome.tried:
                        held.append(row.number)
            await job_store.settle(connection, job_id, settled, held)
        if rows:
            walk.after = rows[-1].number
            walk.held_students |= students
        return bool(rows)

    async def _row(self, connection: Connection, row: Pending, held_students: set[str]) -> "Settled | _Waits":
        try:
            said = self._spec.read(row.cells)
        except ValidationError as error:
            return Settled(row.number, "rejected", explained(error))
        if said.student_id in held_students:
            return _Waits(said.student_id, tried=False)
        try:
            async with connection.transaction():
                return Settled(row.number, await self._spec.apply(connection, said, self._clock()))
        except Held:
            if row.held_tries + 1 < self._patience.tries:
                return _Waits(said.student_id, tried=True)
            return Settled(row.number, "rejected", (_HELD,))
        except Refused as refused:
            problem = self._spec.refusal(refused)
            remedy = refused.remedy or "See the record of this student at the desk."
            return Settled(
                row.number, "rejected", ({"field": refused.field or "", "problem": problem, "remedy": remedy},)
            )
        except Exception as error:
            if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError) and not _of_the_row(error):
                raise
            # Only the kind: the text of an error can hold the row. One bad row does not stop the others.
            _log.error("import.row_failed", kind=self._spec.kind, row=row.number, wrong=type(error).__name__)
            return Settled(row.number, "rejected", (_OURS,))


@dataclass(frozen=True, slots=True)
class _Waits:
    student_id: str
    tried: bool


def _of_the_row(error: Exception) -> bool:
    """Whether the row's values are why the database refuses (SQLSTATE classes 22, 23), not the moment or the schema."""
    return isinstance(error, asyncpg.PostgresError) and (getattr(error, "sqlstate", None) or "")[:2] in ("22", "23")


def _links(traceparent: str | None) -> list[Link]:
    context = remote_context(traceparent)
    return [] if context is None else [Link(trace.get_current_span(context).get_span_context())]


_HELD: Final[RowProblem] = {
    "field": "",
    "problem": "a submission of this student was being decided, and the row would have taken a pass away meanwhile",
    "remedy": "Look at the student's state, and send this row again if it still holds.",
}
_OURS: Final[RowProblem] = {
    "field": "",
    "problem": "this row could not be processed; nothing of it was applied, and the mistake was recorded",
    "remedy": "Check its values; if they are right, tell the operator the job and the row number.",
}
_LEAD: Final = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_RESIGN: Final = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"
