"""The worker of an import: jobs in order, rows in file order, a row's effect and its outcome in one transaction.

Several rows share a transaction: a restart finds every row either done or untouched. One that fails takes no other
with it (savepoints.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import Link
from pydantic import ValidationError

from schemas.student_ids import canonical_student_id
from services.kit.audit.log import append_entries
from services.kit.backoff import Backoff
from services.kit.imports import job_store
from services.kit.imports.files.problems import RowProblem
from services.kit.imports.job_store import WaitingJob
from services.kit.imports.reasons import INTERNAL, OUTDATED, refusal_problem, row_problems
from services.kit.imports.row_store import PendingRow, RowOutcome, pending_rows, store_outcomes
from services.kit.imports.savepoints import RowSavepoints
from services.kit.imports.spec import Batch, ImportSpec, RowFailed
from services.kit.messaging.outbox import Wakeup
from services.kit.names import import_worker_lock
from services.kit.observability.telemetry import remote_context
from services.kit.operations import Held, Refused
from services.kit.postgres.leadership import SILENT_AFTER_S, leading
from services.kit.postgres.pool import DATABASE_ERRORS, Connection, transient
from services.kit.rules.instants import Outdated

MAX_BATCH: Final = 100
"""Rows of one transaction: its locks delay the desk, and its length the relay, by some tens of milliseconds."""
_POLL_S: Final = 2.0
_RETRY_S: Final = (0.1, 3.2)
_MAX_FAILURES: Final = 5
"""In a row, before the error propagates to the supervisor."""
_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("lixiao.imports")


@dataclass(frozen=True, slots=True)
class HoldRetry:
    """When rows kept back by a hold are tried again: delays double from the first to the longest."""

    first_delay_s: float = 0.5
    longest_delay_s: float = 4.0

    def backoff(self) -> Backoff:
        return Backoff(self.first_delay_s, self.longest_delay_s)


@dataclass
class _Scan:
    """One pass over a job's pending rows.

    A held row keeps back its student's later rows, also of later jobs: they stay in order. `waiting`: some are.
    """

    job: WaitingJob
    held_students: set[str]
    after: int = 0
    savepoints: bool = False
    """A row of the last batch failed: the next ones may."""
    waiting: bool = False


class ImportWorker:
    """Runs the jobs of one kind. Any number may run, in any number of processes: one works, the others wait."""

    def __init__(
        self,
        spec: ImportSpec[Any],
        pool: "asyncpg.Pool[Any]",
        uploaded: Wakeup,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        hold_retry: HoldRetry | None = None,
        max_batch: int = MAX_BATCH,
        silent_after_s: float = SILENT_AFTER_S,
    ) -> None:
        self._spec = spec
        self._pool = pool
        self._uploaded = uploaded
        self._clock = clock
        self._hold_retry = hold_retry or HoldRetry()
        self._max_batch = max_batch
        self._silent_after_s = silent_after_s

    async def run(self) -> None:
        """Work until cancelled. Raises when the database stays away; the supervisor restarts the worker."""
        failures, backoff = 0, Backoff(*_RETRY_S)
        while True:
            try:
                worked = await self.work()
                failures = 0
                backoff.reset()
            except Exception as error:
                failures += 1
                if not transient(error) or failures > _MAX_FAILURES:
                    raise
                _log.warning("import.retried", kind=self._spec.kind, error=type(error).__name__)
                await backoff.wait()
                continue
            if not worked:
                await self._uploaded.wait(_POLL_S)

    async def work(self) -> bool:
        """Run every waiting job, unless another worker does; whether there was one."""
        with suppress_instrumentation():
            async with self._pool.acquire() as connection:
                if not await job_store.is_waiting(connection, self._spec.kind):
                    return False
                # Lock and work share a connection, so that losing one loses the other: a worker that was replaced
                # because it was silent can commit nothing.
                lock = await connection.fetchval(_LOCK, import_worker_lock(self._spec.kind))
                async with leading(connection, lock, silent_after_s=self._silent_after_s) as leads:
                    return leads and await self._jobs(connection)

    async def _jobs(self, connection: Connection) -> bool:
        """Until none waits. A job whose rows a hold keeps back lets the later ones pass."""
        worked, backoff = False, self._hold_retry.backoff()
        while jobs := await job_store.unfinished_jobs(connection, self._spec.kind):
            worked = True
            held_students: set[str] = set()
            for job in jobs:
                held_students = await self._job(connection, job, held_students)
            if held_students:
                await backoff.wait()
            else:
                backoff.reset()
        return worked

    async def _job(self, connection: Connection, job: WaitingJob, held_students: set[str]) -> set[str]:
        """Finish it unless rows of it are held; the students held by then."""
        job_id = job.job_id
        if await job_store.start_job(connection, job_id, self._clock()):
            _log.info("import.started", kind=self._spec.kind, job=str(job_id))
        scan = _Scan(job, held_students)
        await self._scan(connection, scan)
        if not scan.waiting:
            await job_store.finish_job(connection, job_id, self._clock(), covered=await self._cover(connection, job))
            _log.info("import.finished", kind=self._spec.kind, job=str(job_id))
        return scan.held_students

    async def _cover(self, connection: Connection, job: WaitingJob) -> bool | None:
        """Whether the file covers whom it is for; None if it names none."""
        if job.covering is None or self._spec.evidence is None:
            return None
        if not await job_store.read_whole(connection, job.job_id):
            _log.warning("import.left_uncovered", kind=self._spec.kind, job=str(job.job_id))
            return False
        return await self._spec.evidence.covered(connection, job.covering, self._clock())

    async def _scan(self, connection: Connection, scan: _Scan) -> None:
        """Try the pending rows once."""
        links = _links(scan.job.traceparent)
        size, failures, backoff = self._max_batch, 0, Backoff(*_RETRY_S)
        while True:
            try:
                # A trace per batch: one trace of a large file would be too large to read.
                with _tracer.start_as_current_span("import rows", context=Context(), links=links):
                    try:
                        more = await self._batch(connection, scan, size)
                    except RowFailed:
                        scan.savepoints = True
                        more = await self._batch(connection, scan, size)
            except asyncpg.PostgresError as error:
                failures += 1
                if not transient(error) or failures > _MAX_FAILURES or connection.is_closed():
                    raise
                # A deadlock, as a rule: fewer rows at once cannot lock in the wrong order.
                size = 1
                await backoff.wait()
                continue
            if not more:
                return
            size, failures = min(2 * size, self._max_batch), 0
            backoff.reset()
            self._spec.after_commit()

    async def _batch(self, connection: Connection, scan: _Scan, size: int) -> bool:
        """One transaction: the next rows and their outcomes. False when there are no more."""
        outcomes: list[RowOutcome] = []
        held: list[int] = []
        held_students, waiting = set(scan.held_students), scan.waiting
        async with connection.transaction():
            rows = await pending_rows(connection, scan.job.job_id, after=scan.after, limit=size)
            batch = await self._begin_batch(connection, rows, together=not scan.savepoints)
            job = replace(scan.job, source=replace(scan.job.source, batch=batch))
            savepoints = RowSavepoints(connection, batch, used=scan.savepoints)
            for row in rows:
                outcome = await self._apply(connection, savepoints, job, row, held_students)
                if isinstance(outcome, RowOutcome):
                    outcomes.append(outcome)
                else:
                    held_students.add(outcome.student_id)
                    waiting = True
                    if outcome.tried:
                        held.append(row.number)
            if batch is not None:
                await _finish(batch, connection)
            await store_outcomes(connection, scan.job.job_id, outcomes, held)
            await self._audit(connection, scan.job, outcomes)
        if rows:
            scan.after, scan.savepoints = rows[-1].number, savepoints.row_failed
            scan.held_students, scan.waiting = held_students, waiting
        return bool(rows)

    async def _audit(self, connection: Connection, job: WaitingJob, outcomes: Sequence[RowOutcome]) -> None:
        """Of whom something changed: an entry for each row that was applied or has left a question open."""
        for state in ("applied", "rejected"):
            about: list[tuple[str | None, dict[str, Any]]] = []
            for row in outcomes:
                if row.state == state and row.student_id is not None:
                    version = {} if row.version is None else {"version": row.version}
                    about.append((row.student_id, {"job": job.job_id, "row": row.number, **version}))
            await append_entries(
                connection, actor=job.source.sent_by, act=f"import.{self._spec.kind}", outcome=state, about=about
            )

    async def _begin_batch(self, connection: Connection, rows: Sequence[PendingRow], *, together: bool) -> Batch | None:
        if self._spec.begin_batch is None or not rows:
            return None
        found = {canonical_student_id(row.cells.get("student_id", "")) for row in rows}
        return await self._spec.begin_batch(connection, sorted(number for number in found if number), together)

    async def _apply(
        self,
        connection: Connection,
        savepoints: RowSavepoints,
        job: WaitingJob,
        row: PendingRow,
        held_students: set[str],
    ) -> "RowOutcome | _Held":
        if row.problems:
            return await self._reject(connection, job, row, row.problems)
        try:
            values = self._spec.read(row.cells)
        except ValidationError as error:
            return await self._reject(connection, job, row, row_problems(error, self._spec.columns, job.headings))
        if values.student_id in held_students:
            return _Held(values.student_id, tried=False)
        try:
            async with savepoints.row():
                effect = await self._spec.apply(connection, values, job.source, self._clock())
            return RowOutcome(
                row.number,
                effect.outcome,
                student_id=values.student_id if effect.outcome == "applied" else None,
                standing=effect.standing,
                effect=effect.effect,
                unrecognised=effect.unrecognised,
                version=effect.version,
            )
        except Held as held:
            await self._spec.on_held(connection, values.student_id, held)
            return _Held(values.student_id, tried=True)
        except Outdated as outdated:
            if self._spec.reject_outdated:
                return await self._reject(connection, job, row, (OUTDATED,), valid=True)
            return RowOutcome(row.number, "outdated", (OUTDATED,), standing=outdated.standing)
        except Refused as refused:
            problem = refusal_problem(self._spec.refusal(refused), refused.field, refused.remedy)
            return await self._reject(connection, job, row, (problem,), valid=True)
        except RowFailed:
            raise
        except Exception as error:
            if isinstance(error, DATABASE_ERRORS) and not _of_the_row(error):
                raise
            # Only the type: an error's text may contain the row. One bad row does not stop the others.
            _log.error("import_row.failed", kind=self._spec.kind, row=row.number, error=type(error).__name__)
            return await self._reject(connection, job, row, (INTERNAL,))

    async def _reject(
        self,
        connection: Connection,
        job: WaitingJob,
        row: PendingRow,
        problems: tuple[RowProblem, ...],
        *,
        valid: bool = False,
    ) -> RowOutcome:
        """The student of a rejected row is in doubt."""
        unnamed_cell = self._spec.has_unnamed(row.cells, row.problems)
        refused = self._spec.refused(
            job.source, row.number, row.cells, problems, unnamed_cell=unnamed_cell, valid=valid
        )
        if refused is None or self._spec.evidence is None:
            return RowOutcome(row.number, "rejected", problems)
        standing = await self._spec.evidence.row_refused(connection, refused, self._clock())
        return RowOutcome(row.number, "rejected", problems, refused.student_id, standing)


@dataclass(frozen=True, slots=True)
class _Held:
    student_id: str
    tried: bool


async def _finish(batch: Batch, connection: Connection) -> None:
    """Raises `RowFailed` for values that the database refuses: with savepoints it shows whose they are."""
    try:
        await batch.finish(connection)
    except asyncpg.PostgresError as error:
        if _of_the_row(error):
            raise RowFailed from error
        raise


def _of_the_row(error: Exception) -> bool:
    """Whether the database refuses the row's values (SQLSTATE classes 22 and 23)."""
    return isinstance(error, asyncpg.PostgresError) and (getattr(error, "sqlstate", None) or "")[:2] in ("22", "23")


def _links(traceparent: str | None) -> list[Link]:
    context = remote_context(traceparent)
    return [] if context is None else [Link(trace.get_current_span(context).get_span_context())]


_LOCK: Final = "SELECT hashtextextended($1, 0)"
