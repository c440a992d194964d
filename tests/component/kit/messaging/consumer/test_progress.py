"""What is fetched when, and when a consumer counts as stuck."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from deploy.local.servers.kafka import RunningKafka
from services.kit.messaging import consumer, faststream_shell
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.postgres.pool import Connection
from tests.support.kafka.consumers import consumer_of, running, send, send_to_one, store, stored
from tests.support.waiting import eventually


async def test_records_of_a_partition_that_stood_unread_do_not_wait_for_the_others(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fetch without that partition would keep the connection for a minute.
    monkeypatch.setattr(faststream_shell, "_FETCH_WAIT_MS", 60_000)
    going_on = asyncio.Event()

    async def store_later(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        await going_on.wait()
        return await store(connection, records)

    values = [b"%d" % number for number in range(6)]
    async with running(consumer_of(pool, kafka, topic, store_later, max_records=1)):
        await send_to_one(kafka, topic, values[:5])
        await asyncio.sleep(1)  # By then the other partitions were asked for without this one.
        going_on.set()

        async def read(count: int) -> bool:
            return len(await stored(pool)) == count

        await eventually(lambda: read(5), what="what stood unread")
        await send_to_one(kafka, topic, values[5:])
        await eventually(lambda: read(6), what="the next record of that partition")
    assert await stored(pool) == values


async def test_a_consumer_that_moves_nothing_is_thrown_away(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "STUCK_AFTER_S", 1.0)
    reached = asyncio.Event()

    async def hang(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        reached.set()
        await asyncio.Event().wait()
        return []

    await send(kafka, topic, [b"one"])
    with pytest.raises(consumer.ConsumerStuck):
        async with asyncio.timeout(30):
            await consumer_of(pool, kafka, topic, hang).run()
    assert reached.is_set()


async def test_a_record_that_comes_just_when_a_quiet_consumer_is_looked_at_does_not_end_it(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "STUCK_AFTER_S", 0.5)
    monkeypatch.setattr(consumer, "_CONFIRM_AFTER_S", 0.1)
    behind = [True, False, True, False]

    async def is_behind(_: TransactionalConsumer) -> bool:
        return behind.pop(0) if behind else False

    monkeypatch.setattr(TransactionalConsumer, "_is_behind", is_behind)
    quiet = consumer_of(pool, kafka, topic)
    async with running(quiet):
        await eventually(lambda: not behind, what="two looks, each confirmed")
        await send(kafka, topic, [b"one"])

        async def applied() -> bool:
            return await stored(pool) == [b"one"]

        await eventually(applied, what="the record")
