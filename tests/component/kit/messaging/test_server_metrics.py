"""Kafka and PostgreSQL as a service sees them: a lock, a database that does not answer, copies that are behind."""

import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import PartitionMetadata

from deploy.local.servers.kafka import RunningKafka
from schemas.topics import Topics
from services.kit.messaging.aiokafka_internals import ClusterState, cluster_of
from services.kit.messaging.cluster_metrics import ClusterMetrics
from services.kit.observability import metrics
from services.kit.observability.database import measure_database
from services.kit.observability.metrics import AnswerTime
from services.kit.postgres.pool import open_pool
from services.kit.provisioning.topics import create_topics
from tests.component.kit.messaging.test_metrics import Recorded, running
from tests.support.waiting import eventually

OF_ONE: Any = {"database": "measured"}


@pytest.fixture
async def pool(database: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    pool = await open_pool(database, name="test", max_size=4)
    yield pool
    await pool.close()


async def test_a_lock_that_others_wait_for_shows_and_the_transaction_that_holds_it(
    pool: "asyncpg.Pool[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, oldest, size = Recorded(), Recorded(), Recorded()
    monkeypatch.setattr(metrics, "DATABASE_WAITING", waiting)
    monkeypatch.setattr(metrics, "DATABASE_OLDEST_TRANSACTION", oldest)
    monkeypatch.setattr(metrics, "DATABASE_SIZE", size)
    await pool.execute("CREATE TABLE wanted (id int)")
    async with running(measure_database(pool, "measured", every_s=0.05)):
        await eventually(lambda: (0, OF_ONE) in waiting.values, what="a database in which nobody waits")
        async with pool.acquire() as holder, holder.transaction():
            await holder.execute("LOCK TABLE wanted")
            async with running(pool.execute("INSERT INTO wanted VALUES (1)")):
                await eventually(lambda: waiting.values[-1] == (1, OF_ONE), what="one that waits")
                await eventually(lambda: oldest.values[-1][0] > 0.2, what="the age of the transaction")
        await eventually(lambda: waiting.values[-1] == (0, OF_ONE), what="nobody waits again")
    assert size.values[-1][0] > 1_000_000


async def test_a_database_that_gives_no_answer_is_slower_from_second_to_second(
    pool: "asyncpg.Pool[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = AnswerTime("test.answer", "of a test")
    monkeypatch.setattr(metrics, "DATABASE_ANSWER", answer)
    labels = (("database", "measured"),)
    async with running(measure_database(pool, "measured", every_s=0.05)):
        await eventually(lambda: 0 < answer.read().get(labels, 0) < 1, what="an answer")
        taken = [await pool.acquire() for _ in range(pool.get_max_size())]
        await eventually(lambda: answer.read()[labels] > 1.5, what="an answer that is waited for")
        for connection in taken:
            await pool.release(connection)
        await eventually(lambda: answer.read()[labels] < 1, what="an answer again")


async def test_a_consumer_knows_the_brokers_and_which_partitions_lack_copies(
    kafka: RunningKafka, namespace: str
) -> None:
    await create_topics(kafka.address, Topics(namespace), ["library"], partitions=3)
    topic = Topics(namespace).status("library")
    async with AIOKafkaConsumer(topic, **kafka.address.options()) as consumer:
        await consumer.end_offsets([TopicPartition(topic, 0)])
        assert cluster_of(consumer) == ClusterState(brokers=1, degraded=0)
        known = consumer._client.cluster._partitions[topic]
        known[0] = PartitionMetadata(topic, 0, -1, known[0].replicas, known[0].isr, 5)
        known[1] = known[1]._replace(replicas=[1, 2, 3], isr=[1, 2])
        assert cluster_of(consumer) == ClusterState(brokers=1, degraded=2)


def test_records_that_come_are_counted_and_not_those_of_partitions_that_are_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    came = Recorded()
    monkeypatch.setattr(metrics, "KAFKA_RECORDS", came)
    measured, well = ClusterMetrics("measured"), ClusterState(brokers=1, degraded=0)
    first, second = TopicPartition("t", 0), TopicPartition("t", 1)
    for ends in ({first: 100}, {first: 103}, {first: 103, second: 900}, {second: 905}, {first: 7, second: 905}):
        measured.measure(ends, well, time.monotonic())
    assert [value for value, _ in came.values] == [0, 0, 3, 0, 5, 0]
