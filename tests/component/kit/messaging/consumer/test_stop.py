"""A consumer that fails is replaced, also when its own tasks do not end."""

import asyncio
from functools import partial
from itertools import count
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import TopicAuthorizationFailedError
from structlog.testing import capture_logs

from deploy.local.servers.kafka import RunningKafka
from services.kit.messaging import consumer as consumer_module
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.kafka.consumers import consumer_of, send, stored
from tests.support.waiting import eventually


def _missing_one_cancellation(heartbeats: Any) -> Any:
    """As `asyncio.wait_for` of Python 3.11 now and then has it."""

    async def routine(coordinator: GroupCoordinator) -> None:
        try:
            await heartbeats(coordinator)
        finally:
            await asyncio.Event().wait()

    return routine


async def test_a_consumer_whose_heartbeat_does_not_end_is_replaced(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        GroupCoordinator, "_heartbeat_routine", _missing_one_cancellation(GroupCoordinator._heartbeat_routine)
    )
    monkeypatch.setattr(consumer_module, "_STOP_TIMEOUT_S", 0.5)
    consumer = consumer_of(pool, kafka, topic, session_timeout_s=6)

    async def read(count: int) -> bool:
        return len(await stored(pool)) == count

    with capture_logs() as lines:
        async with background("consumer", consumer.run, Health()):
            await send(kafka, topic, [b"before"])
            await eventually(lambda: read(1), what="what was sent before")
            assert consumer.subscriber._refusal is not None
            consumer.subscriber._refusal.set_result(TopicAuthorizationFailedError(topic))
            await send(kafka, topic, [b"after"])
            await eventually(lambda: read(2), what="what was sent after")
    assert "consumer.abandoned" in [line["event"] for line in lines]


async def test_a_consumer_goes_on_when_somebody_else_cancels_what_it_waits_for(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer, polls = consumer_of(pool, kafka, topic, session_timeout_s=6), count(1)
    getmany = AIOKafkaConsumer.getmany

    async def cancelled_once(polling: AIOKafkaConsumer, **options: Any) -> Any:
        if next(polls) == 3:
            (waited_for := asyncio.get_running_loop().create_future()).cancel()
            await waited_for
        return await getmany(polling, **options)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", cancelled_once)

    async def read(expected: int) -> bool:
        return len(await stored(pool)) == expected

    async with background("consumer", consumer.run, Health()):
        for number in range(1, 6):
            await send(kafka, topic, [b"a record"])
            await eventually(partial(read, number), what=f"record {number}")
    assert next(polls) > 4
