"""Records that cannot be read or stored: each alone is parked, and a consumer that reads nothing stops."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from deploy.local.servers.kafka import RunningKafka
from services.kit.messaging.dead_letters import actions
from services.kit.messaging.dead_letters.actions import ReplayHandler, StillUnreadable
from services.kit.messaging.dead_letters.limit import DeadLetterLimit
from services.kit.messaging.dead_letters.store import DeadLetter, store_dead_letters
from services.kit.messaging.probes import add_consumer_probe
from services.kit.postgres.pool import Connection
from services.kit.runtime.health import Health
from tests.support.in_process.services import record_of
from tests.support.kafka.consumers import consumer_of, running, send, stored
from tests.support.kafka.members import assigned
from tests.support.waiting import eventually


async def test_a_bad_record_is_parked_as_it_came_and_the_rest_goes_on(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    await send(kafka, topic, [b"one", b"bad", b"two", b"bad", b"three"])
    async with running(consumer_of(pool, kafka, topic)):

        async def parked() -> bool:
            return bool(await pool.fetchval("SELECT count(*) = 2 FROM dead_letter")) and len(await stored(pool)) == 3

        await eventually(parked, what="three applied and two parked")
    rows = await pool.fetch("SELECT key, value, reason FROM dead_letter ORDER BY key")
    assert [(row["key"], row["value"], row["reason"]) for row in rows] == [
        (b"key-1", b"bad", "it says so"),
        (b"key-3", b"bad", "it says so"),
    ]


async def test_a_decoder_that_reads_nothing_stops_its_consumer_before_it_empties_the_topic(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    await send(kafka, topic, [b"bad"] * 40)
    limit, health = DeadLetterLimit(max_consecutive=10), Health()
    stopped = consumer_of(pool, kafka, topic, limit=limit, max_records=4)
    add_consumer_probe(health, stopped)
    async with running(stopped):
        await eventually(lambda: stopped.state.stopped is not None, what="the consumer to stop")
        kept = await pool.fetchval("SELECT count(*) FROM dead_letter")
        assert kept <= 10
        assert await pool.fetchval("SELECT sum(next_offset) FROM consumer_offset") == kept or kept == 0
        assert assigned(stopped) == 0, "it has left its group"
        ready = (await health.ready()).checks["consumer store"]
        assert ready is not None
        assert "more than 10 consecutive records" in ready
        assert "LIXIAO_DEAD_LETTER_MAX_CONSECUTIVE" in ready
        assert (await health.live()).healthy, "a restart would not help"
    async with running(consumer_of(pool, kafka, topic, limit=DeadLetterLimit(max_consecutive=1000))):

        async def all_kept() -> bool:
            return bool(await pool.fetchval("SELECT count(*) = 40 FROM dead_letter"))

        await eventually(all_kept, what="all of them, once the operator has raised the limit")


async def store_numbers(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
    """As a handler whose statement casts what a record says."""
    for record in records:
        await connection.execute(
            "INSERT INTO stored SELECT $1, $2, ($3::text::jsonb)::text::bytea",
            record.partition,
            record.offset,
            (record.value or b"").decode(),
        )
    return []


async def test_a_value_that_the_database_refuses_is_set_aside_and_the_rest_of_its_batch_goes_on(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    good = [b"%d" % number for number in range(60)]
    await send(kafka, topic, [*good[:20], b"1e400000", *good[20:40], b'"\\ud800"', *good[40:]])
    async with running(consumer_of(pool, kafka, topic, store_numbers)):

        async def all_read() -> bool:
            return bool(await pool.fetchval("SELECT sum(next_offset) FROM consumer_offset") == 62)

        await eventually(all_read, what="every position at its end")
    assert sorted(await stored(pool)) == sorted(good)
    letters = await pool.fetch("SELECT value, reason FROM dead_letter ORDER BY value DESC")
    assert [row["value"] for row in letters] == [b"1e400000", b'"\\ud800"']
    assert "NumericValueOutOfRangeError" in letters[0]["reason"]


async def test_a_value_that_the_database_still_refuses_is_still_unreadable_when_it_is_replayed(
    pool: "asyncpg.Pool[Any]",
) -> None:
    handlers = {"g": ReplayHandler(store_numbers)}
    record = record_of("t", b"key", b"1e400000")
    async with pool.acquire() as connection:
        await store_dead_letters(connection, "g", [DeadLetter(record, "the database cannot store a value of it")])
        letter_id = await connection.fetchval("SELECT id FROM dead_letter")
        with pytest.raises(StillUnreadable, match="the database cannot store a value of it: NumericValueOutOfRange"):
            await actions.replay(connection, letter_id, handlers, by="operator-1")
        assert await connection.fetchval("SELECT ended_at FROM dead_letter") is None


async def test_a_database_that_refuses_every_value_stops_the_consumer(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    await send(kafka, topic, [b"1e400000"] * 40)
    stopped = consumer_of(pool, kafka, topic, store_numbers, limit=DeadLetterLimit(max_consecutive=10))
    async with running(stopped):
        await eventually(lambda: stopped.state.stopped is not None, what="the consumer to stop")
    assert await pool.fetchval("SELECT count(*) FROM dead_letter") <= 10
