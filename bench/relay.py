"""Draining an outbox: our relay beside the obvious loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaProducer

from bench import events, fixtures
from bench.fixtures import Sandbox, Servers
from bench.harness import COLUMNS, Figure, Leg, in_subprocess, over, row, timed, unless_it_ends
from schemas.codec import CONTENT_TYPE
from schemas.topics import PARTITIONS
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.relay import Relay

NAIVE_BATCH: Final = 100
_COPY: Final = 5000
_TRACEPARENT: Final = "00-{:032x}-{:016x}-00"


@dataclass(frozen=True, slots=True)
class Sizes:
    rows: int = 100_000
    naive: int = 3_000


QUICK: Final = Sizes(rows=6_000, naive=300)


@dataclass(frozen=True, slots=True)
class Round:
    """Ours before and after the naive one."""

    ours: tuple[Leg, Leg]
    naive: Leg

    @property
    def rate(self) -> float:
        return (self.ours[0].rate + self.ours[1].rate) / 2


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    sizes = QUICK if quick else Sizes()
    with fixtures.sandbox(on, DEPARTMENT_FOLDERS, [events.DEPARTMENT], PARTITIONS) as sandbox:
        asyncio.run(_fill(sandbox, sizes.rows))
        yield f"{sizes.rows:,} rows to a topic of {PARTITIONS} partitions, idempotent, acknowledged by all"
        done = [_round(sandbox, sizes) for _ in range(rounds)]
    yield COLUMNS
    yield row("relay", done, lambda one: one.ours)
    yield row("naive relay", done, lambda one: [one.naive])
    yield f"The naive relay was timed on {sizes.naive:,} rows only: SKIP LOCKED {NAIVE_BATCH}, send and wait, delete."
    ratio = over(done, lambda one: one.rate / one.naive.rate)
    yield f"relay / naive relay: {ratio.text(' x', 1)}"
    processor = over(done, lambda one: fmean(leg.cpu_us + leg.database_us for leg in one.ours))
    yield Figure("a row of an outbox", processor, f"{over(done, lambda one: one.rate).text('/s', 0)}", "naive", ratio)


def _round(sandbox: Sandbox, sizes: Sizes) -> Round:
    def leg(work: Callable[..., Any], rows: int) -> Leg:
        asyncio.run(_reset(sandbox, rows))
        measured: Leg = in_subprocess(work, sandbox, rows)
        return measured

    first, other, second = leg(ours, sizes.rows), leg(naive, sizes.naive), leg(ours, sizes.rows)
    return Round((first, second), other)


async def ours(sandbox: Sandbox, rows: int) -> Leg:
    relay = Relay(sandbox.dsn, kafka=sandbox.kafka, name="bench", wakeup=Wakeup())
    return await _watched(sandbox, rows, relay.run)


async def naive(sandbox: Sandbox, rows: int) -> Leg:
    """A hundred rows a transaction, each sent and awaited."""
    return await _watched(sandbox, rows, lambda: _naive(sandbox))


async def _naive(sandbox: Sandbox) -> None:
    producer = AIOKafkaProducer(**sandbox.kafka.options(), acks="all", enable_idempotence=True)
    await producer.start()
    connection = await asyncpg.connect(sandbox.dsn)
    try:
        while True:
            async with connection.transaction():
                rows = await connection.fetch(
                    "SELECT id, topic, key, value, traceparent FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
                    NAIVE_BATCH,
                )
                for each in rows:
                    headers = [
                        ("content-type", CONTENT_TYPE.encode()),
                        ("traceparent", each["traceparent"].encode()),
                    ]
                    await producer.send_and_wait(each["topic"], each["value"], key=each["key"], headers=headers)
                ids = [each["id"] for each in rows]
                await connection.execute("DELETE FROM outbox WHERE id = ANY($1::bigint[])", ids)
            if not rows:
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
        await producer.stop()


async def _watched(sandbox: Sandbox, rows: int, run: Callable[[], Awaitable[None]]) -> Leg:
    async with _deleted(sandbox, rows) as deleted:
        running = asyncio.ensure_future(run())
        try:
            return await unless_it_ends(running, timed(deleted, rows, sandbox.database))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def _deleted(sandbox: Sandbox, rows: int) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Rows gone from the outbox: ids are 1 to `rows`, deleted in order."""
    connection = await asyncpg.connect(sandbox.dsn)

    async def deleted() -> int:
        lowest: int = await connection.fetchval("SELECT coalesce(min(id), $1::bigint + 1) FROM outbox", rows)
        return lowest - 1

    try:
        yield deleted
    finally:
        await connection.close()


async def _fill(sandbox: Sandbox, rows: int) -> None:
    connection = await asyncpg.connect(sandbox.dsn)
    topic = sandbox.topics.status(events.DEPARTMENT)
    records = []
    try:
        await connection.execute("CREATE TABLE outbox_before (LIKE outbox)")
        for number, event in enumerate(events.statuses(rows, rows), 1):
            traceparent = _TRACEPARENT.format(number, number)
            key = event.student_id.encode()
            records.append((number, topic, key, events.document(event, number), traceparent, event.occurred_at))
            if len(records) == _COPY or number == rows:
                await connection.copy_records_to_table("outbox_before", records=records)
                records.clear()
    finally:
        await connection.close()


async def _reset(sandbox: Sandbox, rows: int) -> None:
    connection = await asyncpg.connect(sandbox.dsn)
    try:
        await connection.execute("TRUNCATE outbox")
        await connection.execute(
            "INSERT INTO outbox OVERRIDING SYSTEM VALUE SELECT * FROM outbox_before WHERE id <= $1", rows
        )
        await connection.execute("VACUUM ANALYZE outbox")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
