"""A department's relay and republication over a real broker, without its HTTP side."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from schemas.topics import Topics
from services.kit.department.desk import Desk
from services.kit.department.recovery.republication import StatusPublisher
from services.kit.department.recovery.status_log import StatusLog
from services.kit.department.subscriptions import department_router
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.relaying.alive_marks import AliveMarks
from services.kit.messaging.relaying.relay import Relay
from services.kit.republishing.worker import Republisher
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.departments.desks import desk_over

ALIVE_EVERY_S = 0.5


@asynccontextmanager
async def running_department(
    database: str,
    department: str,
    kafka: KafkaConnection,
    topics: Topics,
    *,
    consuming: bool = False,
    covered: bool = True,
) -> AsyncIterator[Desk[Any]]:
    """`consuming`: also what the other services ask."""
    async with desk_over(database, department, topics.namespace, covered=covered) as desk, AsyncExitStack() as stack:
        log = StatusLog(desk.pool, department, topics.status(department))
        marks = AliveMarks(department, log.topic, ALIVE_EVERY_S, on_new_topic=log.made_anew)
        relay = Relay(database, kafka=kafka, name=department, wakeup=desk.wakeup, alive=marks, published=log)
        republisher = Republisher(desk.pool, StatusPublisher(desk), desk.wakeup)
        loops = {"relay": relay.run, "republication": republisher.run}
        if consuming:
            router = department_router(desk, topics)
            consumer = TransactionalConsumer(
                router, name=department, pool=desk.pool, kafka=kafka, after_commit=desk.wakeup.notify
            )
            loops["consumer"] = consumer.run
        for name, run in loops.items():
            await stack.enter_async_context(background(name, run, Health(), max_delay_s=1.0))
        yield desk
