"""An outbox and its relay, as a test drives and reads them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from aiokafka import ConsumerRecord

from schemas.codec import read
from schemas.events import CaseChanged, CaseState
from schemas.flows import source_of
from schemas.topics import Topics
from services.kit.messaging import outbox
from services.kit.messaging.relaying.relay import Relay
from tests.support.departments.desks import now

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def say(connection: Connection, topics: Topics, student_id: str, version: int) -> None:
    event = CaseChanged(student_id=student_id, version=version, state=CaseState.OPEN, occurred_at=now())
    await outbox.append(connection, topic=topics.case, key=student_id, event=event, source=source_of("test"), now=now())


def versions(records: Iterable[ConsumerRecord], student_id: str) -> list[int]:
    """Of a student's cases, in the order they stand in."""
    return [event.version for record in records if (event := case_of(record)) and event.student_id == student_id]


def case_of(record: ConsumerRecord) -> CaseChanged | None:
    event = read(record.value, record.headers)
    return event if isinstance(event, CaseChanged) else None
