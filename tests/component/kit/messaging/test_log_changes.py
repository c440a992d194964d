"""A position belongs to one log: a topic made anew, a log cut and grown again, and a new cluster are noticed."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from structlog.testing import capture_logs

from deploy.local.processes.state_folder import clean
from deploy.local.servers.kafka import Kafka, RunningKafka
from schemas.topics import Topics
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging import consumer as consumer_module
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction
from services.kit.messaging.log_positions.log_identity import LogChanged
from services.kit.messaging.log_positions.offsets import claim_unseen
from services.kit.messaging.relaying.producer import BatchProducer, OutboundRecord
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import Connection, open_pool
from services.kit.provisioning.topics import create_topics
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.kafka.topics import recreate
from tests.support.waiting import eventually

Pool: TypeAlias = "asyncpg.Pool[Any]"


@pytest.fixture
def topics() -> Topics:
    return Topics(f"t{secrets.token_hex(3)}")


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    await migrate(database, DEPARTMENT_FOLDERS)
    pool = await open_pool(database, name="test")
    await pool.execute('CREATE TABLE stored (partition int, "offset" bigint, value text)')
    yield pool
    await pool.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_module, "_PROBE_BROKER_EVERY_S", 0.5)


def consumer_of(pool: Pool, kafka: KafkaConnection, topics: Topics) -> TransactionalConsumer:
    router = TransactionalRouter(group=topics.group("test"), session_timeout_s=6)
    batches = router.subscriber(topics.command, batch=True)

    @batches()
    async def store(records: Sequence[Any], connection: Transaction) -> list[DeadLetter]:
        await connection.executemany(
            "INSERT INTO stored VALUES ($1, $2, $3)",
            [(record.partition, record.offset, record.value.decode()) for record in records if record.value != b"bad"],
        )
        return [DeadLetter(record, "it says so") for record in records if record.value == b"bad"]

    return TransactionalConsumer(router, name="test", pool=pool, kafka=kafka)


@asynccontextmanager
async def running(pool: Pool, kafka: KafkaConnection, topics: Topics) -> AsyncIterator[TransactionalConsumer]:
    """As a service runs it: started again when it fails."""
    consumer = consumer_of(pool, kafka, topics)
    async with background("consumer", consumer.run, Health()):
        yield consumer


async def send(kafka: KafkaConnection, topics: Topics, *values: str) -> None:
    publisher = BatchProducer(kafka, client_id="test")
    await publisher.send([OutboundRecord(topics.command, b"key", value.encode(), (), 0) for value in values])
    await publisher.close()


def has(pool: Pool, *values: str) -> Callable[[], Awaitable[bool]]:
    async def stored() -> bool:
        return {row["value"] for row in await pool.fetch("SELECT value FROM stored")} >= set(values)

    return stored


async def resets(pool: Pool) -> int:
    count: int = await pool.fetchval("SELECT coalesce(sum(resets), 0) FROM consumer_offset")
    return count


def losses(logs: Sequence[Any]) -> list[str]:
    return [line["cause"] for line in logs if line["event"] == "log.changed"]


async def test_a_topic_made_anew_while_nobody_reads_is_read_from_its_start_though_it_has_grown_past_the_position(
    pool: Pool, kafka: RunningKafka, topics: Topics
) -> None:
    await create_topics(kafka.address, topics, [], partitions=1)
    await send(kafka.address, topics, "a", "b", "bad")
    async with running(pool, kafka.address, topics):
        await eventually(has(pool, "a", "b"), what="the first log")
    await recreate(kafka.address, topics, [], topics.command, partitions=1)
    await send(kafka.address, topics, "c", "d", "bad", "e", "f")
    with capture_logs() as logs:
        async with running(pool, kafka.address, topics):
            await eventually(has(pool, "c", "d", "e", "f"), what="the whole of the second log")
    assert losses(logs) == ["recreated"]
    assert await pool.fetchval("SELECT count(*) FROM dead_letter") == 2, "of each log one, at the same offset"


async def test_a_topic_made_anew_is_noticed_by_the_running_reader(
    pool: Pool, kafka: RunningKafka, topics: Topics
) -> None:
    await create_topics(kafka.address, topics, [], partitions=1)
    await send(kafka.address, topics, "a", "b", "c")
    with capture_logs() as logs:
        async with running(pool, kafka.address, topics):
            await eventually(has(pool, "a", "b", "c"), what="the first log")
            await recreate(kafka.address, topics, [], topics.command, partitions=1)
            await send(kafka.address, topics, "d", "e")
            await eventually(has(pool, "d", "e"), what="the second log", timeout_s=40)
    assert losses(logs) == ["recreated"]


async def test_an_empty_cluster_in_the_place_of_a_lost_one_is_noticed_by_the_running_reader(
    pool: Pool, own_kafka: Kafka, topics: Topics
) -> None:
    await create_topics(own_kafka.address, topics, [], partitions=1)
    await send(own_kafka.address, topics, "a", "b", "c")
    with capture_logs() as logs:
        async with running(pool, own_kafka.address, topics):
            await eventually(has(pool, "a", "b", "c"), what="the first cluster's log")
            own_kafka.kill()
            clean(own_kafka.folder / "data")
            await asyncio.to_thread(lambda: own_kafka.start().wait_ready())
            await create_topics(own_kafka.address, topics, [], partitions=1)
            await send(own_kafka.address, topics, "d", "e", "f", "g")
            await eventually(has(pool, "d", "e", "f", "g"), what="the second cluster's log", timeout_s=60)
    assert set(losses(logs)) == {"recreated"}


@pytest.mark.parametrize("reading", [True, False], ids=["while it is read", "while nobody reads"])
async def test_a_log_that_was_cut_and_has_grown_again_is_read_from_its_start(
    pool: Pool, own_kafka: Kafka, topics: Topics, reading: bool
) -> None:
    await create_topics(own_kafka.address, topics, [], partitions=1)
    for value in ("a", "b", "c"):
        await send(own_kafka.address, topics, value)
    log = own_kafka.folder / "data" / f"{topics.command}-0" / "00000000000000000000.log"
    with capture_logs() as logs:
        if reading:
            async with running(pool, own_kafka.address, topics):
                await eventually(has(pool, "a", "b", "c"), what="the log")
                await _cut(own_kafka, log)
                await send(own_kafka.address, topics, "d", "e")
                await eventually(has(pool, "d", "e"), what="what was written since", timeout_s=60)
        else:
            async with running(pool, own_kafka.address, topics):
                await eventually(has(pool, "a", "b", "c"), what="the log")
            await _cut(own_kafka, log)
            await send(own_kafka.address, topics, "d", "e")
            async with running(pool, own_kafka.address, topics):
                await eventually(has(pool, "d", "e"), what="what was written since", timeout_s=60)
    assert losses(logs) == ["truncated"]


async def _cut(broker: Kafka, log: Any) -> None:
    """As a power cut does: the last two records never reached the disk."""
    broker.kill()
    content = log.read_bytes()
    first = 12 + int.from_bytes(content[8:12], "big")
    log.write_bytes(content[:first])
    await asyncio.to_thread(lambda: broker.start().wait_ready())


async def test_a_broker_that_restarts_with_its_log_whole_is_no_loss(
    pool: Pool, own_kafka: Kafka, topics: Topics
) -> None:
    await create_topics(own_kafka.address, topics, [], partitions=1)
    await send(own_kafka.address, topics, "a", "b")
    with capture_logs() as logs:
        async with running(pool, own_kafka.address, topics) as consumer:
            await eventually(has(pool, "a", "b"), what="the log")
            own_kafka.kill()
            await asyncio.to_thread(lambda: own_kafka.start().wait_ready())
            await send(own_kafka.address, topics, "c")
            await eventually(has(pool, "c"), what="what was written since", timeout_s=60)
            checked_at = consumer.state.broker_answered_at
            await eventually(lambda: consumer.state.broker_answered_at > checked_at + 2, what="the next checks")
    assert losses(logs) == []
    assert await resets(pool) == 0


async def test_what_was_read_of_an_earlier_log_is_not_stored_once_another_member_has_started_over(pool: Pool) -> None:
    part = TopicPartition("topic", 0)
    await pool.execute("INSERT INTO consumer_offset VALUES ('group', 'topic', 0, 0, NULL, NULL, 1)")
    record = ConsumerRecord("topic", 0, 900, 0, 0, b"key", b"value", None, 3, 5, ())
    async with pool.acquire() as connection, connection.transaction():
        assert await claim_unseen(connection, "group", [record], {part: 1}, {}, {}) == [record]
        with pytest.raises(LogChanged):
            await claim_unseen(connection, "group", [record], {part: 0}, {}, {})


async def test_a_record_that_was_committed_is_dropped_and_another_in_its_place_is_not(pool: Pool) -> None:
    committed = ConsumerRecord("topic", 0, 4, 0, 0, b"key", b"value", None, 3, 5, ())
    other = ConsumerRecord("topic", 0, 4, 0, 0, b"key", b"other", None, 3, 5, ())
    after = ConsumerRecord("topic", 0, 5, 0, 0, b"key", b"value", None, 3, 5, ())
    async with pool.acquire() as connection, connection.transaction():
        assert await claim_unseen(connection, "group", [committed], {}, {}, {}) == [committed]
        with pytest.raises(LogChanged):
            async with connection.transaction():
                await claim_unseen(connection, "group", [other, after], {}, {}, {})
        assert await claim_unseen(connection, "group", [committed, after], {}, {}, {}) == [after]
        assert await claim_unseen(connection, "group", [committed, after], {}, {}, {}) == []
        assert await stored_offset(connection) == 6


async def stored_offset(connection: Connection) -> int:
    offset: int = await connection.fetchval("SELECT next_offset FROM consumer_offset WHERE consumer = 'group'")
    return offset


async def test_a_batch_behind_what_a_restored_database_lost_is_not_stored(pool: Pool) -> None:
    part = TopicPartition("topic", 0)
    record = ConsumerRecord("topic", 0, 9, 0, 0, b"key", b"value", None, 3, 5, ())
    async with pool.acquire() as connection, connection.transaction():
        assert await claim_unseen(connection, "group", [record], {}, {}, {}) == [record]
        assert await claim_unseen(connection, "group", [record], {}, {part: 10}, {}) == []
        with pytest.raises(LogChanged):
            await claim_unseen(connection, "group", [record], {}, {part: 11}, {})
        with pytest.raises(LogChanged):
            await claim_unseen(connection, "other", [record], {}, {part: 9}, {})


async def test_what_a_database_restored_under_the_consumer_has_lost_is_read_again(
    pool: Pool, kafka: RunningKafka, topics: Topics
) -> None:
    await create_topics(kafka.address, topics, [], partitions=1)
    await send(kafka.address, topics, "a", "b", "c")
    with capture_logs() as logs:
        async with running(pool, kafka.address, topics) as consumer:
            await eventually(has(pool, "a", "b", "c"), what="the log")
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("UPDATE consumer_offset SET next_offset = 1, last_record = NULL")
                await connection.execute("DELETE FROM stored WHERE value <> 'a'")
            await eventually(has(pool, "a", "b", "c"), what="what was lost", timeout_s=40)
            await eventually(consumer.is_caught_up, what="the end")
            await send(kafka.address, topics, "d")
            await eventually(has(pool, "d"), what="what was written since")
    values = [row["value"] for row in await pool.fetch('SELECT value FROM stored ORDER BY "offset"')]
    assert values == ["a", "b", "c", "d"]
    assert losses(logs) == []
