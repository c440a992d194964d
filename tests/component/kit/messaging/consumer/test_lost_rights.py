"""A service whose rights at the broker were taken away reads on as soon as it has them again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from deploy.local.servers.kafka import RunningKafka
from schemas.topics import Topics
from services.kit.messaging import probes
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction
from services.kit.messaging.probes import add_consumer_probe
from services.kit.provisioning.acls import remove_acls, set_acls
from services.kit.provisioning.kafka_users import as_service, create_users
from services.kit.provisioning.topics import create_topics
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.kafka.consumers import send, store, stored
from tests.support.waiting import eventually

SERVICE = "library"
PARTITIONS = 12
"""Each is refused by itself, so this is as many errors."""


async def test_a_consumer_whose_rights_come_back_reads_on(
    pool: "asyncpg.Pool[Any]",
    kafka: RunningKafka,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, [SERVICE], partitions=PARTITIONS)
    await create_users(kafka.address, [SERVICE], tmp_path, namespace=namespace)
    await set_acls(kafka.address, topics, [SERVICE])
    router = TransactionalRouter(group=topics.group(SERVICE), session_timeout_s=6)

    @router.subscriber(topics.command, batch=True)()
    async def store_all(records: Sequence[Any], connection: Transaction) -> list[DeadLetter]:
        return await store(connection, records)

    consumer = TransactionalConsumer(
        router, name="test", pool=pool, kafka=as_service(kafka.address, SERVICE, tmp_path, namespace=namespace)
    )

    health = Health()
    add_consumer_probe(health, consumer)

    async def read(count: int) -> bool:
        return len(await stored(pool)) == count

    with capture_logs() as lines:

        def refused() -> bool:
            return any(line["event"] == "task.failed" for line in lines)

        async with background("consumer", consumer.run, health):
            await send(kafka, topics.command, [b"before"] * PARTITIONS)
            await eventually(lambda: read(PARTITIONS), what="what was sent before")
            await remove_acls(kafka.address, namespace)
            await eventually(refused, what="the consumer to be refused")
            monkeypatch.setattr(probes, "SILENT_AFTER_S", 0.0)
            assert not (await health.ready()).healthy
            assert (await health.live()).healthy, "a restart would not help"
            monkeypatch.undo()
            await set_acls(kafka.address, topics, [SERVICE])
            await send(kafka, topics.command, [b"after"] * PARTITIONS)
            await eventually(lambda: read(2 * PARTITIONS), what="what was sent after")
    await remove_acls(kafka.address, namespace)
