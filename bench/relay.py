"""Draining an outbox to acknowledged and deleted: our relay beside the loop that everybody writes first."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaProducer

from bench import events, ground
from bench.ground import Ground, Servers
from bench.rounds import COLUMNS, Leg, in_a_process, over, row, timed, while_running
from schemas.codec import CONTENT_TYPE
from schemas.topics import PARTITIONS
from services.kit.department.service import FOLDERS
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relay import Relay

NAIVE_BATCH: Final = 100
_COPY: Final = 5000
_TRACEPARENT: Final = "00-{:032x}-{:016x}-00"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows for our relay, and how many of them the naive one is timed on."""

    rows: int = 100_000
    naive: int = 3_000


QUICK: Final = Sizes(rows=6_000, naive=300)


@dataclass(frozen=True, slots=True)
class Round:
    """Ours before and behind the naive one."""

    ours: tuple[Leg, Leg]
    naive: Leg

    @property
    def rate(self) -> float:
        return (self.ours[0].rate + self.ours[1].rate) / 2


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str]:
    """The lines of the report."""
    sizes = QUICK if quick else Sizes()
    with ground.ground(on, FOLDERS, [events.DEPARTMENT], PARTITIONS) as where:
        asyncio.run(_fill(where, sizes.rows))
        yield f"{sizes.rows:,} rows to a topic of {PARTITIONS} partitions, idempotent, acknowledged by all"
        done = [_round(where, sizes) for _ in range(rounds)]
    yield COLUMNS
    yield row("relay", done, lambda one: one.ours)
    yield row("naive relay", done, lambda one: [one.naive])
    yield f"The naive relay was timed on {sizes.naive:,} rows only: SKIP LOCKED {NAIVE_BATCH}, send and wait, delete."
    yield f"relay / naive relay: {over(done, lambda one: one.rate / one.naive.rate).text(' x', 1)}"


def _round(where: Ground, sizes: Sizes) -> Round:
    def leg(work: Callable[..., Any], rows: int) -> Leg:
        asyncio.run(_put_back(where, rows))
        measured: Leg = in_a_process(work, where, rows)
        return measured

    first, other, second = leg(ours, sizes.rows), leg(naive, sizes.naive), leg(ours, sizes.rows)
    return Round((first, second), other)


async def ours(where: Ground, rows: int) -> Leg:
    """The kit's relay."""
    relay = Relay(where.dsn, kafka=where.kafka, name="bench", bell=Wakeup())
    return await _watched(where, rows, relay.run)


async def naive(where: Ground, rows: int) -> Leg:
    """A hundred rows in a transaction, each sent and waited for, then deleted."""
    return await _watched(where, rows, lambda: _naive(where))


async def _naive(where: Ground) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=where.kafka, acks="all", enable_idempotence=True)
    await producer.start()
    connection = await asyncpg.connect(where.dsn)
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


async def _watched(where: Ground, rows: int, run: Callable[[], Awaitable[None]]) -> Leg:
    async with _gone(where, rows) as gone:
        running = asyncio.ensure_future(run())
        try:
            return await while_running(running, timed(gone, rows, where.database))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def _gone(where: Ground, rows: int) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """How many rows are gone from the outbox: ids are 1 to `rows` and go in order."""
    connection = await asyncpg.connect(where.dsn)

    async def gone() -> int:
        lowest: int = await connection.fetchval("SELECT coalesce(min(id), $1::bigint + 1) FROM outbox", rows)
        return lowest - 1

    try:
        yield gone
    finally:
        await connection.close()


async def _fill(where: Ground, rows: int) -> None:
    connection = await asyncpg.connect(where.dsn)
    topic = where.topics.status(events.DEPARTMENT)
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


async def _put_back(where: Ground, rows: int) -> None:
    connection = await asyncpg.connect(where.dsn)
    try:
        await connection.execute("TRUNCATE outbox")
        await connection.execute(
            "INSERT INTO outbox OVERRIDING SYSTEM VALUE SELECT * FROM outbox_before WHERE id <= $1", rows
        )
        await connection.execute("VACUUM ANALYZE outbox")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
