"""A department publishes its statuses again: above every version before, once each, and on after a crash."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from schemas.events import CaseState, StatusChanged
from services.kit.department.desk import Desk
from services.kit.department.recovery.republication import StatusPublisher
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.producer import partition_of
from services.kit.republishing import store, worker
from services.kit.republishing.store import EVERYTHING, Republication, Scope
from services.kit.republishing.worker import Republisher
from tests.support.departments.desks import desk_over, open_case, outbox_statuses
from tests.support.imports.department import student

MANY = 130


@pytest.fixture
async def desk(database: str) -> AsyncIterator[Desk[Any]]:
    async with desk_over(database, "library") as opened:
        yield opened


def republisher(desk: Desk[Any], **options: Any) -> Republisher:
    return Republisher(desk.pool, StatusPublisher(desk), Wakeup(), **options)


async def ask(desk: Desk[Any], scope: Scope = EVERYTHING) -> Republication:
    async with desk.pool.acquire() as connection, connection.transaction():
        return await store.request(connection, scope, reason="a backup was restored", by="operator-1")


async def progress(desk: Desk[Any], asked: Republication) -> Republication:
    async with desk.pool.acquire() as connection:
        found = await store.find(connection, asked.republication_id)
    assert found is not None
    return found


async def sent_again(desk: Desk[Any]) -> list[StatusChanged]:
    """What is in the outbox, which is emptied."""
    statuses = await outbox_statuses(desk)
    await desk.pool.execute("DELETE FROM outbox")
    return statuses


async def leaving(desk: Desk[Any], count: int) -> list[str]:
    students = sorted(student() for _ in range(count))
    for who in students:
        await open_case(desk, who)
    await desk.pool.execute("DELETE FROM outbox")
    return students


async def test_every_student_is_published_again_with_the_same_checks_under_a_higher_version(desk: Desk[Any]) -> None:
    students = await leaving(desk, MANY)
    before = {who: (await desk.read(who)).assessment.checks for who in students}
    asked = await ask(desk)
    while await republisher(desk).batch():
        pass
    statuses = await sent_again(desk)
    assert [status.student_id for status in statuses] == students
    assert {status.version for status in statuses} == {2}
    assert {status.student_id: status.checks for status in statuses} == before
    done = await progress(desk, asked)
    assert (done.considered, done.published) == (MANY, MANY)
    assert done.finished_at is not None
    assert await sent_again(desk) == []


async def test_another_instance_goes_on_where_one_was_killed(desk: Desk[Any]) -> None:
    students = await leaving(desk, MANY)
    asked = await ask(desk)
    await republisher(desk).batch()
    assert 0 < (await progress(desk, asked)).considered < MANY
    while await republisher(desk).batch():
        pass
    assert [status.student_id for status in await sent_again(desk)] == students


async def test_it_waits_while_the_outbox_is_deep(desk: Desk[Any]) -> None:
    await leaving(desk, 3)
    await ask(desk)
    waiting = republisher(desk, deep_outbox=2)
    assert await waiting.batch()
    assert not await waiting.batch()
    await sent_again(desk)
    assert await waiting.batch()


async def test_a_partition_is_published_again_and_no_other(desk: Desk[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_AT_ONCE", 7)
    monkeypatch.setattr(worker, "_CONSIDERED_AT_ONCE", 30)
    students = await leaving(desk, MANY)
    await ask(desk, Scope(partition=3))
    while await republisher(desk).batch():
        pass
    expected = [who for who in students if partition_of(who.encode(), 6) == 3]
    assert expected
    assert [status.student_id for status in await sent_again(desk)] == expected


async def test_named_students_come_before_everybody_and_unknown_ones_are_left_out(desk: Desk[Any]) -> None:
    students = await leaving(desk, 5)
    everybody, unknown = await ask(desk), student()
    named = await ask(desk, Scope((students[4], students[2], unknown)))
    while (await progress(desk, named)).finished_at is None:
        await republisher(desk).batch()
    assert [status.student_id for status in await sent_again(desk)] == [students[2], students[4]]
    assert (await progress(desk, everybody)).considered == 0
    assert await desk.pool.fetchval("SELECT count(*) FROM record WHERE student_id = $1", unknown) == 0


async def test_a_closed_case_keeps_its_last_status_under_a_higher_version(desk: Desk[Any]) -> None:
    (who,) = await leaving(desk, 1)
    await open_case(desk, who, version=2, state=CaseState.CLOSED)
    await ask(desk)
    while await republisher(desk).batch():
        pass
    (again,) = await sent_again(desk)
    assert again.version == 2


async def test_a_record_that_an_import_holds_is_waited_for_without_a_deadlock(desk: Desk[Any]) -> None:
    students = await leaving(desk, 20)
    await ask(desk)
    async with desk.pool.acquire() as importing, importing.transaction():
        await desk.lock(importing, students[15])
        assert await republisher(desk).batch()
        again = asyncio.create_task(republisher(desk).batch())
        await asyncio.sleep(0.3)
        assert not again.done()
        # In another order than the republication.
        for number in (3, 17):
            await asyncio.wait_for(desk.lock(importing, students[number]), 5)
    assert await again
    while await republisher(desk).batch():
        pass
    assert [status.student_id for status in await sent_again(desk)] == students


async def test_what_waits_already_is_not_asked_a_second_time(desk: Desk[Any]) -> None:
    await leaving(desk, 3)
    first, second = await ask(desk), await ask(desk)
    partly = await ask(desk, Scope(partition=2))
    assert first.republication_id == second.republication_id == partly.republication_id
    await republisher(desk).batch()
    assert (await ask(desk)).republication_id != first.republication_id
    entries: list[asyncpg.Record] = await desk.pool.fetch(
        "SELECT actor FROM audit.entry WHERE act = 'republication.ask'"
    )
    assert [entry["actor"] for entry in entries] == ["operator-1"] * 2
