"""Our projector with everything on, and its limit: the same statement on the same rows, from memory."""

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
from bench.ground import Ground
from bench.rounds import Leg, timed, while_running
from services.clearance.view import view_store
from services.clearance.view.projector import Projector
from services.kit.observability import telemetry
from services.kit.postgres.pool import open_pool
from services.kit.runtime.gc_tuning import tune_gc

LANES: Final = 2
MAX_RECORDS: Final = 2000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch as the view's statement takes it, without the moment of hearing. `events` became these rows."""

    events: int
    columns: tuple[list[Any], ...]


@dataclass(frozen=True, slots=True)
class Said:
    """One event of the topic as the view would store it."""

    student_id: str
    version: int
    occurred_at: datetime
    partition: int
    offset: int
    status: str


def batches_of(said: Sequence[Said]) -> list[list[Prepared]]:
    """For each connection the batches it writes: its partitions, newest of each student, sorted."""
    lanes: list[list[Prepared]] = []
    for lane in range(LANES):
        mine = [each for each in said if each.partition % LANES == lane]
        lanes.append([_prepared(mine[at : at + MAX_RECORDS]) for at in range(0, len(mine), MAX_RECORDS)])
    return lanes


def _prepared(said: Sequence[Said]) -> Prepared:
    newest = {each.student_id: each for each in said}
    rows = [newest[student_id] for student_id in sorted(newest)]
    columns: tuple[list[Any], ...] = (
        [row.student_id for row in rows],
        [events.DEPARTMENT for _ in rows],
        [row.version for row in rows],
        [row.occurred_at for row in rows],
        [row.partition for row in rows],
        [row.offset for row in rows],
        [False for _ in rows],
        [row.status for row in rows],
    )
    return Prepared(len(said), columns)


async def limit(where: Ground, lanes: Sequence[Sequence[Prepared]]) -> Leg:
    """The statement alone, a transaction a batch, on as many connections; in events that the rows stand for."""
    done = [0]
    statement = view_store.UPSERT_STATUSES.format(table=view_store.VIEW)
    connections = [await asyncpg.connect(where.dsn) for _ in lanes]

    async def write(connection: "asyncpg.Connection[Any]", batches: Sequence[Prepared]) -> None:
        for batch in batches:
            await connection.fetchrow(statement, *batch.columns, datetime.now(UTC))
            done[0] += batch.events

    total = sum(batch.events for batches in lanes for batch in batches)
    writing = asyncio.gather(*(write(*each) for each in zip(connections, lanes, strict=True)))
    leg = await timed(lambda: done[0], total, where.database)
    await writing
    for connection in connections:
        await connection.close()
    return leg


async def ours(where: Ground, count: int) -> Leg:
    """The clearance's projector as its service runs it, traces and metrics included; spans go to nobody."""
    tune_gc()
    traced = telemetry.build("bench", exporters=[_Nobody()])
    trace.set_tracer_provider(traced.tracer_provider)
    metrics.set_meter_provider(traced.meter_provider)
    AsyncPGInstrumentor(capture_parameters=False).instrument(tracer_provider=traced.tracer_provider)  # type: ignore[no-untyped-call]
    pool = await open_pool(where.dsn, name="bench", max_size=LANES + 2)
    projector = Projector(
        pool=pool,
        kafka=where.kafka,
        topics=where.topics,
        departments=[events.DEPARTMENT],
        workers=LANES,
        max_records=MAX_RECORDS,
    )
    running = asyncio.create_task(projector.run())
    try:
        reached = timed(lambda: sum(projector.consumer.state.next_offsets.values()), count, where.database)
        return await while_running(running, reached)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if await pool.fetchval("SELECT count(*) FROM dead_letter"):
            raise RuntimeError("the projector parked records that are good")
        await pool.close()


class _Nobody(SpanExporter):
    """Takes spans as an exporter does, and sends them nowhere: the collector's time is not the projector's."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS
