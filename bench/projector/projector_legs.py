"""The projector as its service runs it, and its limit: the same statement on rows from memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bench import events
from bench.fixtures import Sandbox
from bench.harness import Leg, timed, unless_it_ends
from services.clearance.view import view_store
from services.clearance.view.projector import Projector
from services.clearance.view.view_store import Columns
from services.kit.observability import telemetry
from services.kit.postgres.pool import open_pool
from services.kit.runtime.gc_tuning import tune_gc

WORKERS: Final = 2
MAX_RECORDS: Final = 2000


@dataclass(frozen=True, slots=True)
class Prepared:
    """The statement's columns for one batch. `events` became these rows."""

    events: int
    columns: Columns


@dataclass(frozen=True, slots=True)
class StoredStatus:
    student_id: str
    version: int
    occurred_at: datetime
    partition: int
    offset: int
    status: str
    open_codes: str | None


def batches_of(stored: Sequence[StoredStatus]) -> list[list[Prepared]]:
    """By connection: newest per student, sorted."""
    workers: list[list[Prepared]] = []
    for worker in range(WORKERS):
        assigned = [each for each in stored if each.partition % WORKERS == worker]
        workers.append([_prepared(assigned[at : at + MAX_RECORDS]) for at in range(0, len(assigned), MAX_RECORDS)])
    return workers


def _prepared(stored: Sequence[StoredStatus]) -> Prepared:
    newest = {each.student_id: each for each in stored}
    rows = [newest[student_id] for student_id in sorted(newest)]
    columns: Columns = (
        [row.student_id for row in rows],
        [events.DEPARTMENT for _ in rows],
        [row.version for row in rows],
        [row.occurred_at.isoformat() for row in rows],
        [row.partition for row in rows],
        [row.offset for row in rows],
        [row.status.encode() for row in rows],
        [row.open_codes or "" for row in rows],
        None,
        None,
        None,
    )
    return Prepared(len(stored), columns)


async def limit(sandbox: Sandbox, workers: Sequence[Sequence[Prepared]]) -> Leg:
    """A transaction a batch. Counts the events behind the rows."""
    done = [0]
    statement = view_store.UPSERT_STATUSES
    connections = [await asyncpg.connect(sandbox.dsn) for _ in workers]

    async def write(connection: "asyncpg.Connection[Any]", batches: Sequence[Prepared]) -> None:
        for batch in batches:
            await connection.fetchrow(statement, datetime.now(UTC), *view_store.bound(batch.columns))
            done[0] += batch.events

    total = sum(batch.events for batches in workers for batch in batches)
    writing = asyncio.gather(*(write(*each) for each in zip(connections, workers, strict=True)))
    leg = await timed(lambda: done[0], total, sandbox.database)
    await writing
    for connection in connections:
        await connection.close()
    return leg


async def ours(sandbox: Sandbox, count: int) -> Leg:
    """With traces and metrics; spans are dropped."""
    tune_gc()
    traced = telemetry.build("bench", exporters=[_Discard()])
    trace.set_tracer_provider(traced.tracer_provider)
    metrics.set_meter_provider(traced.meter_provider)
    AsyncPGInstrumentor(capture_parameters=False).instrument(tracer_provider=traced.tracer_provider)  # type: ignore[no-untyped-call]
    pool = await open_pool(sandbox.dsn, name="bench", max_size=WORKERS + 2)
    projector = Projector(
        pool=pool,
        kafka=sandbox.kafka,
        topics=sandbox.topics,
        departments=[events.DEPARTMENT],
        workers=WORKERS,
        max_records=MAX_RECORDS,
    )
    running = asyncio.create_task(projector.run())
    try:
        reached = timed(lambda: sum(projector.consumer.state.next_offsets.values()), count, sandbox.database)
        return await unless_it_ends(running, reached)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if await pool.fetchval("SELECT count(*) FROM dead_letter"):
            raise RuntimeError("the projector stored dead letters of good records")
        await pool.close()


class _Discard(SpanExporter):
    """The exporter's time is not the projector's."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS
