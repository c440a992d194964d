"""The projector beside its upper limit and the obvious ways to write it with FastStream.

A round is limit, ours, one by one, batch, ours, limit, each on the same topic and table.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench import events, fixtures
from bench.fixtures import Sandbox, Servers
from bench.harness import COLUMNS, Figure, Leg, in_subprocess, over, row
from bench.projector import plain_faststream, projector_legs
from bench.projector.projector_legs import MAX_RECORDS, WORKERS, Prepared, StoredStatus
from schemas.codec import CONTENT_TYPE
from schemas.status_fast import decode_status
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.clearance.view.records import open_codes
from services.kit.messaging.relaying.producer import BatchProducer, OutboundRecord, partition_of

PARTITIONS: Final = 12
SAMPLED_EVERY: Final = 100
"""One record in so many gets a span."""
_BATCH_SIZE: Final = 5000
_TRACEPARENT: Final = "00-{:032x}-{:016x}-{}"


@dataclass(frozen=True, slots=True)
class Sizes:
    """The slow peers are timed on `one_by_one` and `in_batches` of the `count` events."""

    count: int = 200_000
    students: int = 100_000
    one_by_one: int = 4_000
    in_batches: int = 60_000


QUICK: Final = Sizes(count=6_000, students=2_000, one_by_one=150, in_batches=3_000)


@dataclass(frozen=True, slots=True)
class Round:
    """Two legs of ours and of the limit, around the peers."""

    limits: tuple[Leg, Leg]
    ours: tuple[Leg, Leg]
    one_by_one: Leg
    in_batches: Leg

    @property
    def limit(self) -> float:
        return sum(leg.rate for leg in self.limits) / 2

    @property
    def rate(self) -> float:
        return sum(leg.rate for leg in self.ours) / 2

    @property
    def drift(self) -> float:
        """Of the two limit legs: the machine's unsteadiness."""
        return abs(self.limits[0].rate - self.limits[1].rate) / self.limit


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    sizes = QUICK if quick else Sizes()
    with fixtures.sandbox(on, CLEARANCE_FOLDERS, [events.DEPARTMENT], PARTITIONS) as sandbox:
        stored = asyncio.run(load(sandbox, sizes))
        asyncio.run(fill(sandbox, sizes.students))
        batches = projector_legs.batches_of(stored)
        yield (
            f"{sizes.count:,} events, {PARTITIONS} partitions, {sizes.students:,} students in the view, documents of "
            f"{sum(len(each.status.encode()) for each in stored[:1000]) // min(1000, len(stored))} bytes, "
            f"{WORKERS} connections, batches of up to {MAX_RECORDS}; every {SAMPLED_EVERY}th event sampled"
        )
        done: list[Round] = []
        for number in range(1, rounds + 1):
            done.append(_round(sandbox, sizes, batches))
            yield f"  round {number}: {_one(done[-1])}"
        yield from _report(done, sizes)


def _round(sandbox: Sandbox, sizes: Sizes, batches: Sequence[Sequence[Prepared]]) -> Round:
    def leg(work: Callable[..., Any], *arguments: Any) -> Leg:
        asyncio.run(reset(sandbox))
        measured: Leg = in_subprocess(work, sandbox, *arguments)
        return measured

    first_limit = leg(projector_legs.limit, batches)
    first = leg(projector_legs.ours, sizes.count)
    one_by_one = leg(plain_faststream.one_by_one, sizes.one_by_one)
    in_batches = leg(plain_faststream.in_batches, min(sizes.in_batches, sizes.count))
    second = leg(projector_legs.ours, sizes.count)
    second_limit = leg(projector_legs.limit, batches)
    return Round((first_limit, second_limit), (first, second), one_by_one, in_batches)


def _one(done: Round) -> str:
    return (
        f"limit {done.limit:,.0f}/s, ours {done.rate:,.0f}/s, one by one {done.one_by_one.rate:,.0f}/s, "
        f"batch {done.in_batches.rate:,.0f}/s; the two limits differ by {done.drift:.0%}"
    )


def _report(done: Sequence[Round], sizes: Sizes) -> Iterator[str | Figure]:
    yield COLUMNS
    yield row("raw SQL limit", done, lambda one: one.limits)
    yield row("projector", done, lambda one: one.ours)
    yield row("FastStream batch", done, lambda one: [one.in_batches])
    yield row("FastStream one by one", done, lambda one: [one.one_by_one])
    yield (
        f"The peers were timed on the first {sizes.one_by_one:,} and {min(sizes.in_batches, sizes.count):,} events "
        "only; their rates are taken to hold for the rest."
    )
    yield f"projector / FastStream batch: {over(done, lambda one: one.rate / one.in_batches.rate).text(' x', 1)}"
    ratio = over(done, lambda one: one.rate / one.limit)
    yield f"projector / raw SQL limit: {ratio.text()}"
    yield f"projector / plain FastStream: {over(done, lambda one: one.rate / one.one_by_one.rate).text(' x', 1)}"
    processor = over(done, lambda one: fmean(leg.cpu_us + leg.database_us for leg in one.ours))
    yield Figure("an event projected", processor, over(done, lambda one: one.rate).text("/s", 0), "raw SQL", ratio)


async def load(sandbox: Sandbox, sizes: Sizes) -> list[StoredStatus]:
    topic = sandbox.topics.status(events.DEPARTMENT)
    producer = BatchProducer(sandbox.kafka, client_id="bench.load")
    stored: list[StoredStatus] = []
    offsets = [0] * PARTITIONS
    pending: list[OutboundRecord] = []
    try:
        for number, event in enumerate(events.statuses(sizes.count, sizes.students)):
            key = event.student_id.encode()
            part = partition_of(key, PARTITIONS)
            traceparent = _TRACEPARENT.format(number + 1, number + 1, "00" if number % SAMPLED_EVERY else "01")
            headers = (("content-type", CONTENT_TYPE.encode()), ("traceparent", traceparent.encode()))
            pending.append(OutboundRecord(topic, key, events.document(event, number), headers, part))
            status = event.model_dump_json()
            stored.append(
                StoredStatus(
                    event.student_id,
                    event.version,
                    event.occurred_at,
                    part,
                    offsets[part],
                    status,
                    open_codes(decode_status(status.encode())),
                )
            )
            offsets[part] += 1
            if len(pending) == _BATCH_SIZE:
                await producer.send(pending)
                pending.clear()
        if pending:
            await producer.send(pending)
    finally:
        await producer.close()
    await _check_offsets(sandbox, offsets)
    return stored


async def _check_offsets(sandbox: Sandbox, offsets: Sequence[int]) -> None:
    reader = AIOKafkaConsumer(**sandbox.kafka.options(), group_id=None)
    await reader.start()
    try:
        topic = sandbox.topics.status(events.DEPARTMENT)
        ends = await reader.end_offsets([TopicPartition(topic, part) for part in range(PARTITIONS)])
    finally:
        await reader.stop()
    if any(ends[TopicPartition(topic, part)] != end for part, end in enumerate(offsets)):
        raise RuntimeError("the topic does not have each record sent to it exactly once")


async def fill(sandbox: Sandbox, students: int) -> None:
    """`view_before` has every student, open, so that every event is an update, and hardly one opens a row."""
    connection = await asyncpg.connect(sandbox.dsn)
    checks = events.first_checks()
    codes = open_codes(decode_status(events.status(0, 1, checks).model_dump_json().encode()))
    try:
        await connection.execute("CREATE TABLE view_before (LIKE status)")
        for first in range(0, students, _BATCH_SIZE):
            firsts = [events.status(number, 1, checks) for number in range(first, min(first + _BATCH_SIZE, students))]
            await connection.copy_records_to_table(
                "view_before",
                columns=["student_id", "department", "version", "occurred_at", "heard_at", "source_partition",
                         "source_offset", "disputed", "status", "open_codes", "open_since"],
                records=[
                    (each.student_id, each.department, 1, each.occurred_at, each.occurred_at, 0, -1, False,
                     each.model_dump_json(), codes, each.occurred_at)
                    for each in firsts
                ],
            )  # fmt: skip
    finally:
        await connection.close()


async def reset(sandbox: Sandbox) -> None:
    connection = await asyncpg.connect(sandbox.dsn)
    try:
        await connection.execute("TRUNCATE status, consumer_offset, dead_letter")
        await connection.execute("INSERT INTO status SELECT * FROM view_before")
        await connection.execute("VACUUM ANALYZE status, open_status")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
