"""The barest way from a table to another one: an outbox row, a relay that polls, and a consumer that upserts.

A process and a loop each: no HTTP, record, audit, rules, dead letters or positions in the view's transaction. What the
installation's latency is compared with, in the same run and on the same servers.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Final

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.fixtures import Sandbox, Servers, sandbox
from bench.processor import LOAD, spent, used
from services.kit.kafka.connection import KafkaConnection

DEPARTMENT: Final = "library"
PARTITIONS: Final = 12
POLL_S: Final = 0.005
"""Of the relay, when it has found nothing."""
WARM_UP: Final = 50
_SEEN_POLL_S: Final = 0.02
_ALL_SEEN_WITHIN_S: Final = 60.0
_TABLES: Final = """
CREATE TABLE bare_outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, student_id text, version int);
CREATE TABLE bare_view (student_id text PRIMARY KEY, version int)
"""
_UPSERT: Final = """
WITH changed AS (
    INSERT INTO bare_view AS stored VALUES ($1, $2)
    ON CONFLICT (student_id) DO UPDATE SET version = excluded.version WHERE excluded.version > stored.version
    RETURNING student_id
) SELECT pg_notify('bare', student_id) FROM changed
"""
_spawn: Final = get_context("spawn")


@dataclass(frozen=True, slots=True)
class Bare:
    """`seconds` from each row's insertion to when a reader, woken by NOTIFY, has read it or a newer one.

    `processor_us`: a change, of relay, consumer and both servers.
    """

    seconds: list[float]
    processor_us: float


def commit_to_seen(on: Servers, *, changes: int, per_s: float, students: int) -> Bare:
    with sandbox(on, [], [DEPARTMENT], PARTITIONS) as place, asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(_create(place))
        with _running(place):
            loop.run(_desk(place, range(1, WARM_UP + 1), per_s, students))
            before = used()
            seconds = loop.run(_desk(place, range(WARM_UP + 1, WARM_UP + changes + 1), per_s, students))
            spent_s = sum(each for name, each in spent(before).items() if name != LOAD)
            return Bare(seconds, spent_s * 1e6 / changes)


async def _create(place: Sandbox) -> None:
    connection = await asyncpg.connect(place.dsn)
    await connection.execute(_TABLES)
    await connection.close()


@contextmanager
def _running(place: Sandbox) -> Iterator[None]:
    topic = place.topics.status(DEPARTMENT)
    with ExitStack() as stack:
        for work in (_relay, _consume):
            process = _spawn.Process(target=_run, args=(work, place.dsn, place.kafka, topic), daemon=True)
            process.start()
            stack.callback(process.join)
            stack.callback(process.kill)
        yield


def _run(work: Any, dsn: str, kafka: KafkaConnection, topic: str) -> None:
    uvloop.run(work(dsn, kafka, topic))


async def _relay(dsn: str, kafka: KafkaConnection, topic: str) -> None:
    producer = AIOKafkaProducer(**kafka.options(), acks="all")
    await producer.start()
    connection = await asyncpg.connect(dsn)
    while True:
        async with connection.transaction():
            rows = await connection.fetch("SELECT * FROM bare_outbox ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED")
            for row in rows:
                await producer.send_and_wait(topic, str(row["version"]).encode(), key=row["student_id"].encode())
            if rows:
                await connection.execute("DELETE FROM bare_outbox WHERE id = ANY($1)", [row["id"] for row in rows])
        if not rows:
            await asyncio.sleep(POLL_S)


async def _consume(dsn: str, kafka: KafkaConnection, topic: str) -> None:
    consumer = AIOKafkaConsumer(topic, **kafka.options(), group_id=f"{topic}.bare", auto_offset_reset="earliest")
    await consumer.start()
    connection = await asyncpg.connect(dsn)
    async for record in consumer:
        await connection.execute(_UPSERT, record.key.decode(), int(record.value))


async def _desk(place: Sandbox, versions: range, per_s: float, students: int) -> list[float]:
    """Versions count up over all students, so that one of a student is seen with any later one of theirs."""
    inserted: dict[int, float] = {}
    seen: dict[int, float] = {}
    pool = await asyncpg.create_pool(place.dsn, min_size=4, max_size=4)
    watching = asyncio.create_task(_watch(place, students, inserted, seen))
    start = time.time() + 0.2

    async def insert(version: int) -> None:
        await asyncio.sleep(start + (version - versions[0]) / per_s - time.time())
        at = await pool.fetchval(
            "INSERT INTO bare_outbox (student_id, version) VALUES ($1, $2) RETURNING clock_timestamp()",
            f"TS{version % students}",
            version,
        )
        inserted[version] = at.timestamp()

    try:
        await asyncio.gather(*(insert(version) for version in versions))
        async with asyncio.timeout(_ALL_SEEN_WITHIN_S):
            while not inserted.keys() <= seen.keys():
                await asyncio.wait({watching}, timeout=_SEEN_POLL_S)
                if watching.done():
                    watching.result()
        return [seen[version] - at for version, at in inserted.items()]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await pool.close()


async def _watch(place: Sandbox, students: int, inserted: dict[int, float], seen: dict[int, float]) -> None:
    connection = await asyncpg.connect(place.dsn)
    notified = asyncio.Event()
    await connection.add_listener("bare", lambda *_: notified.set())
    try:
        while True:
            rows = await connection.fetch("SELECT student_id, version FROM bare_view")
            newest: dict[str, int] = {row["student_id"]: row["version"] for row in rows}
            now = time.time()
            for version in inserted.keys() - seen.keys():
                if newest.get(f"TS{version % students}", 0) >= version:
                    seen[version] = now
            with suppress(TimeoutError):
                await asyncio.wait_for(notified.wait(), _SEEN_POLL_S)
            notified.clear()
    finally:
        connection.terminate()
