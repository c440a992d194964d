"""Consumers that store what they read, and records for them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.servers.kafka import RunningKafka
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters.limit import DeadLetterLimit
from services.kit.messaging.dead_letters.store import ApplyBatch, DeadLetter
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.producer import BatchProducer, OutboundRecord
from services.kit.postgres.pool import Connection

GROUP = "test.group"


@asynccontextmanager
async def running(*consumers: TransactionalConsumer) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def send(kafka: RunningKafka, topic: str, values: Sequence[bytes]) -> None:
    publisher = BatchProducer(kafka.address, client_id="test")
    await publisher.send([OutboundRecord(topic, b"key-%d" % number, value) for number, value in enumerate(values)])
    await publisher.close()


async def send_to_one(kafka: RunningKafka, topic: str, values: Sequence[bytes]) -> None:
    """All to the partition of one key."""
    publisher = BatchProducer(kafka.address, client_id="test")
    await publisher.send([OutboundRecord(topic, b"key", value) for value in values])
    await publisher.close()


async def store(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
    await connection.executemany(
        "INSERT INTO stored VALUES ($1, $2, $3)",
        [(record.partition, record.offset, record.value) for record in records if record.value != b"bad"],
    )
    return [DeadLetter(record, "it says so") for record in records if record.value == b"bad"]


def consumer_of(
    pool: "asyncpg.Pool[Any]",
    kafka: RunningKafka,
    topic: str,
    apply: ApplyBatch = store,
    *,
    session_timeout_s: float = 12.0,
    limit: DeadLetterLimit | None = None,
    relay: Wakeup | None = None,
    **options: Any,
) -> TransactionalConsumer:
    router = TransactionalRouter(group=f"{topic.split('.')[0]}.{GROUP}", session_timeout_s=session_timeout_s)
    batches = router.subscriber(topic, batch=True, **options)

    @batches()
    async def apply_batch(records: Sequence[Any], connection: Transaction) -> list[DeadLetter]:
        return await apply(connection, records)

    return TransactionalConsumer(router, name=GROUP, pool=pool, kafka=kafka.address, limit=limit, relay=relay)


async def stored(pool: "asyncpg.Pool[Any]") -> list[bytes]:
    return [row["value"] for row in await pool.fetch('SELECT value FROM stored ORDER BY partition, "offset"')]


async def hinted(kafka: RunningKafka, topic: str) -> bool:
    """Whether the group's offsets in Kafka cover every record."""
    admin = AIOKafkaAdminClient(**kafka.address.options())
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(f"{topic.split('.')[0]}.{GROUP}")
    finally:
        await admin.close()
    return bool(sum(max(0, at.offset) for at in offsets.values()) == 3)
