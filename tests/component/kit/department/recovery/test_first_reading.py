"""Until a service has read what was asked before its start, no pass is taken away: its holds may be missing."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.installation import new_student_id
from deploy.local.servers.kafka import RunningKafka
from schemas.codec import encode
from schemas.events import StatusChanged, SubmissionRequested
from schemas.flows import CLEARANCE, source_of
from schemas.topics import Topics
from services.kit.department.changes.requests import change_record
from services.kit.department.desk import Desk
from services.kit.department.loops.reassessment import Reassessment
from services.kit.department.recovery.first_reading import FirstReading
from services.kit.department.subscriptions import department_router
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.outbox import Wakeup
from services.kit.operations import Held, StillReading
from services.kit.provisioning.topics import create_topics
from services.kit.rules.reasons import QUESTION_OPENED, RECORD_REPLACED
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from services.library.rules import Card, Thesis
from tests.support.departments.desks import desk_over, now, open_case, outbox_statuses
from tests.support.kafka.topics import Producer
from tests.support.waiting import eventually


def with_card(card: Card) -> Any:
    return lambda record: (record.updated(card=card, thesis=Thesis.APPROVED), RECORD_REPLACED())


async def unread(desk: Desk[Any]) -> str:
    """A student with an open case and a pass, at a desk that has just started."""
    student_id = new_student_id()
    await open_case(desk, student_id)
    await change_record(desk, student_id, with_card(Card.CANCELLED), now=now())
    desk.has_read.clear()
    return student_id


async def test_a_debt_waits_and_what_clears_does_not(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = await unread(desk)
        with pytest.raises(StillReading):
            await change_record(desk, student_id, with_card(Card.ACTIVE), now=now())
        assert (await desk.read(student_id)).record.card is Card.CANCELLED
        outcomes = [
            row["outcome"] for row in await desk.pool.fetch("SELECT outcome FROM audit.entry ORDER BY entry_id")
        ]
        assert outcomes[-1] == "held"
        # An attempt that was answered before is answered so again.
        assert await desk.pool.fetchval("SELECT count(*) FROM waiting_change") == 0
        unchanged = await change_record(desk, student_id, with_card(Card.CANCELLED), now=now())
        assert not unchanged.applied
        desk.has_read.set()
        assert (await change_record(desk, student_id, with_card(Card.ACTIVE), now=now())).applied


async def test_a_case_is_opened_meanwhile(database: str) -> None:
    async with desk_over(database, "library", covered=False) as desk:
        desk.has_read.clear()
        await open_case(desk, new_student_id())
        (status,) = await outbox_statuses(desk)
        assert status.version == 1


async def test_a_doubt_about_a_pass_is_published_once_the_desk_has_read(database: str) -> None:
    async with desk_over(database, "library") as desk:
        student_id = await unread(desk)
        before = len(await outbox_statuses(desk))
        async with desk.pool.acquire() as connection, connection.transaction():
            locked = await desk.lock(connection, student_id)
            await desk.store(connection, replace(locked, open_questions=1), cause=QUESTION_OPENED(), now=now())
        assert len(await outbox_statuses(desk)) == before
        running = asyncio.create_task(Reassessment(desk, Wakeup()).run())
        try:
            await asyncio.sleep(0.2)
            assert len(await outbox_statuses(desk)) == before
            desk.has_read.set()

            async def published() -> bool:
                return len(await outbox_statuses(desk)) > before

            await eventually(published, what="the doubt to be published")
        finally:
            running.cancel()
        assert isinstance((await outbox_statuses(desk))[-1], StatusChanged)


async def test_it_ends_once_what_was_asked_before_the_start_is_held(
    database: str, kafka: RunningKafka, namespace: str
) -> None:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, ["library"])
    async with desk_over(database, "library", namespace) as desk, Producer(kafka.address) as producer:
        student_id = await unread(desk)
        for number in range(200):
            asked = requested(student_id if number == 199 else new_student_id())
            value = encode(asked, event_id=uuid4(), source=source_of(CLEARANCE), time=now())
            await producer.send(topics.submission, asked.student_id.encode(), value)
        consumer = TransactionalConsumer(
            department_router(desk, topics), name="library", pool=desk.pool, kafka=kafka.address
        )
        reading = FirstReading(desk, consumer)
        assert await reading.probe() is not None
        async with (
            background("consumer", consumer.run, Health()),
            background("first reading", reading.run, Health()),
        ):
            await asyncio.wait_for(desk.has_read.wait(), 30)
            assert await desk.pool.fetchval("SELECT count(*) FROM attestation") == 200
            assert await reading.probe() is None
            with pytest.raises(Held) as held:
                await change_record(desk, student_id, with_card(Card.ACTIVE), now=now())
            assert not isinstance(held.value, StillReading)


def requested(student_id: str) -> SubmissionRequested:
    return SubmissionRequested(
        attempt_id=uuid4(),
        student_id=student_id,
        required=("library",),
        waived={},
        cohort=None,
        case_number=1,
        opened_at=now(),
        expires_at=now() + timedelta(minutes=10),
    )
