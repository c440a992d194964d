"""Transactions over several students lock them in one order: batches of events and imports never deadlock."""

import asyncio
from typing import Any, Final
from uuid import uuid4

from aiokafka import ConsumerRecord

from deploy.local.installation import new_student_id
from schemas.codec import CONTENT_TYPE, encode
from schemas.events import CaseChanged, CaseState
from schemas.flows import CLEARANCE, source_of
from schemas.topics import Topics
from services.kit.department.desk import Desk
from services.kit.department.subscriptions import department_router
from tests.support.departments.desks import desk_over, is_waiting, now, open_case
from tests.support.waiting import eventually

TOPICS: Final = Topics("lock-order")


async def test_a_batch_of_events_waits_for_an_import_and_holds_nothing_that_it_needs(database: str) -> None:
    async with desk_over(database, "library") as desk:
        first, second = sorted(new_student_id() for _ in range(2))
        for student_id in (first, second):
            await open_case(desk, student_id)
        async with desk.pool.acquire() as importing, importing.transaction():
            await desk.begin_batch(importing, [first])
            # In the topic the second stands before the first.
            applying = asyncio.create_task(applied(desk, second, first))
            await eventually(lambda: is_waiting(desk.pool), what="a batch that waits for the first student")
            await desk.begin_batch(importing, [second])
            assert not applying.done()
        await applying
        assert [await version(desk, student_id) for student_id in (first, second)] == [7, 7]


async def applied(desk: Desk[Any], *students: str) -> None:
    router = department_router(desk, TOPICS)
    records = []
    for offset, student_id in enumerate(students):
        case = CaseChanged(student_id=student_id, version=7, state=CaseState.OPEN, occurred_at=now())
        value = encode(case, event_id=uuid4(), source=source_of(CLEARANCE), time=now())
        headers = (("content-type", CONTENT_TYPE.encode()),)
        key = student_id.encode()
        records.append(ConsumerRecord(TOPICS.case, 0, offset, 0, 0, key, value, None, len(key), len(value), headers))
    async with desk.pool.acquire() as connection, connection.transaction():
        assert not await router.subscription.apply(connection, records)


async def version(desk: Desk[Any], student_id: str) -> int:
    found: int = await desk.pool.fetchval("SELECT case_version FROM record WHERE student_id = $1", student_id)
    return found
