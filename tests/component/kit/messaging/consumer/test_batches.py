"""A batch and its transaction: each record once, the relay woken for what it made, a connection that works."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from deploy.local.servers.kafka import RunningKafka
from services.kit.messaging import outbox
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.outbox import Wakeup
from services.kit.postgres.pool import Connection
from tests.support.kafka.consumers import consumer_of, running, send, store, stored
from tests.support.waiting import eventually


async def test_every_record_is_applied_once_also_across_a_restart(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    values = [b"%d" % number for number in range(300)]
    await send(kafka, topic, values[:150])
    async with running(consumer_of(pool, kafka, topic, workers=2, max_records=40)):

        async def half() -> bool:
            return len(await stored(pool)) == 150

        await eventually(half, what="the first half")
    await send(kafka, topic, values[150:])
    async with running(consumer_of(pool, kafka, topic, workers=2, max_records=40)):

        async def all_of_it() -> bool:
            return len(await stored(pool)) >= 300

        await eventually(all_of_it, what="the rest")
    assert sorted(await stored(pool)) == sorted(values)


async def test_the_relay_is_woken_by_a_batch_that_made_a_row_for_it_and_by_no_other(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    async def answer_b(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        for record in records:
            if record.value == b"b":
                await outbox.append_tombstone(connection, topic="answers", key="TS0000000001")
        return await store(connection, records)

    wakeup = Wakeup()
    async with running(consumer_of(pool, kafka, topic, answer_b, relay=wakeup)):
        for value, woken in ((b"a", False), (b"b", True), (b"c", False)):
            await send(kafka, topic, [value])

            async def applied(value: bytes = value) -> bool:
                return value in await stored(pool)

            await eventually(applied, what="the record")
            assert await wakeup.wait(0.5) is woken


async def test_a_batch_after_one_that_failed_has_a_connection_of_its_own(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    backends: list[int] = []

    async def remember(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        backends.append(await connection.fetchval("SELECT pg_backend_pid()"))
        if len(backends) == 2:
            await pool.execute("SELECT pg_terminate_backend($1)", backends[-1])
        return await store(connection, records)

    async with running(consumer_of(pool, kafka, topic, remember)):
        for count, value in enumerate((b"a", b"b", b"c"), start=1):
            await send(kafka, topic, [value])

            async def applied(count: int = count) -> bool:
                return len(await stored(pool)) == count

            await eventually(applied, what="the record")
    assert backends[0] == backends[1], "the connection is kept while batches succeed"
    assert backends[1] not in backends[2:]
    assert len(backends) == 4
    assert pool.get_idle_size() == pool.get_size(), "given back at the end"


async def test_a_connection_that_was_lost_between_two_batches_is_replaced(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    async with running(consumer_of(pool, kafka, topic)):
        for count in (1, 2):
            await send(kafka, topic, [b"%d" % count])

            async def read(expected: int = count) -> bool:
                return len(await stored(pool)) == expected

            await eventually(read, what=f"{count} records")
            await pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


async def test_a_bad_moment_is_waited_out_and_the_same_batch_taken_again(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    failures = 3

    async def sometimes(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        nonlocal failures
        dead_letters = await store(connection, records)
        if failures:
            failures -= 1
            raise asyncpg.DeadlockDetectedError("not now")
        return dead_letters

    await send(kafka, topic, [b"one", b"two"])
    async with running(consumer_of(pool, kafka, topic, sometimes)):

        async def applied() -> bool:
            return sorted(await stored(pool)) == [b"one", b"two"]

        await eventually(applied, what="both records, once")
    assert failures == 0
