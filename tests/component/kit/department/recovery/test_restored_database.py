"""A department's database comes from a backup, or its topic has lost its records: the line tells the truth again."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.local.servers.kafka import RunningKafka
from deploy.local.servers.server import Running
from schemas.types import MAX_VERSION
from services.kit.department.changes.requests import change_record
from services.kit.department.desk import Desk
from services.kit.messaging import consumer
from services.kit.postgres.pool import DATABASE_ERRORS
from services.kit.rules.reasons import RECORD_REPLACED
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from services.library.rules import Card
from tests.support.clearance.fixture import DEPARTMENTS, ClearanceFixture, clearance_fixture, status
from tests.support.departments.desks import open_case
from tests.support.departments.running import running_department
from tests.support.imports.department import student
from tests.support.kafka.topics import recreate
from tests.support.servers.backups import backup_of
from tests.support.servers.fixtures import DatabaseMaker
from tests.support.waiting import eventually

NOTICED_WITHIN_S = 30.0


@pytest.fixture
async def clearance(database: str, kafka: RunningKafka, namespace: str) -> AsyncIterator[ClearanceFixture]:
    async with clearance_fixture(database, kafka.address, namespace) as made:
        yield made


@pytest.fixture
async def projecting(clearance: ClearanceFixture) -> AsyncIterator[ClearanceFixture]:
    async with background("projector", clearance.projector().run, Health()):
        yield clearance


@pytest.fixture
async def library_database(make_database: DatabaseMaker) -> str:
    return await make_database("library")


@asynccontextmanager
async def library(clearance: ClearanceFixture, dsn: str) -> AsyncIterator[Desk[Any]]:
    async with running_department(dsn, "library", clearance.kafka, clearance.topics) as desk:
        yield desk


async def set_card(desk: Desk[Any], who: str, card: Card) -> None:
    now = datetime.now(UTC)
    await change_record(desk, who, lambda record: (record.updated(card=card), RECORD_REPLACED()), now=now)


async def agree(clearance: ClearanceFixture, desk: Desk[Any], *students: str) -> float:
    """Wait until each student's line is the department's record; the seconds that took."""
    began = time.monotonic()

    async def is_so() -> bool:
        for who in students:
            row = await clearance.row(who)
            if row is None or not row["readable"]:
                return False
            try:
                known = await desk.pool.fetchrow("SELECT status_version, status FROM record WHERE student_id = $1", who)
            except DATABASE_ERRORS:
                return False
            if known is None or (known["status_version"], known["status"]) != (row["version"], row["status"]):
                return False
        return True

    await eventually(is_so, what="view and record to agree", timeout_s=NOTICED_WITHIN_S)
    return time.monotonic() - began


async def marked(desk: Desk[Any]) -> None:
    """Wait for an alive mark."""
    before = await desk.pool.fetchval("SELECT number FROM alive_mark") or 0

    async def is_so() -> bool:
        return (await desk.pool.fetchval("SELECT acknowledged FROM alive_mark") or 0) > before

    await eventually(is_so, what="another alive mark")


@pytest.mark.parametrize("running", [False, True], ids=["while it is stopped", "under the running service"])
async def test_a_restored_department_is_noticed_and_what_it_says_counts_again(
    projecting: ClearanceFixture, library_database: str, postgres: Running, running: bool
) -> None:
    paid, other = student(), student()
    async with library(projecting, library_database) as desk:
        for who in (paid, other):
            await open_case(desk, who)
        desk.wakeup.notify()
        await agree(projecting, desk, paid, other)
    async with backup_of(postgres.address, library_database) as backup:
        async with library(projecting, library_database) as desk:
            for card in (Card.CANCELLED, Card.ACTIVE, Card.CANCELLED):
                await set_card(desk, paid, card)
            await agree(projecting, desk, paid, other)
            row = await projecting.row(paid)
            assert row is not None
            before = row["version"]
            if running:
                await backup.restore()
                await agree(projecting, desk, paid, other)
        if not running:
            await backup.restore()
        async with library(projecting, library_database) as desk:
            # Of the backup's time: the card is active again.
            healed_s = await agree(projecting, desk, paid, other)
            print(f"healed after {healed_s:.1f} s")
            assert (await projecting.version(paid) or 0) > before
            assert (await desk.read(paid)).record.card is Card.ACTIVE
            assert await desk.pool.fetchval("SELECT version FROM version_floor") == before
            for card in (Card.CANCELLED, Card.ACTIVE):
                await set_card(desk, other, card)
                await agree(projecting, desk, other)


async def test_a_database_that_is_as_old_as_its_topic_moves_no_floor_at_any_start(
    projecting: ClearanceFixture, library_database: str
) -> None:
    who = student()
    for number in range(3):
        async with library(projecting, library_database) as desk:
            await open_case(desk, who)
            await set_card(desk, who, (Card.CANCELLED, Card.ACTIVE)[number % 2])
            await agree(projecting, desk, who)
            await marked(desk)
    async with library(projecting, library_database) as desk:
        assert await desk.pool.fetchval("SELECT version FROM version_floor") == 0
        assert await desk.pool.fetchval("SELECT count(*) FROM republication") == 0


@pytest.mark.parametrize("last", ["a tombstone", "no event"])
async def test_a_department_starts_though_what_is_last_on_its_topic_is_no_status(
    projecting: ClearanceFixture, library_database: str, last: str
) -> None:
    who = student()
    async with library(projecting, library_database) as desk:
        await marked(desk)
    if last == "a tombstone":
        await projecting.forget(student())
    else:
        await projecting.poison(student(), b"{}")
    async with library(projecting, library_database) as desk:
        await open_case(desk, who)
        desk.wakeup.notify()
        await agree(projecting, desk, who)
        assert await desk.pool.fetchval("SELECT version FROM version_floor") == 0


@pytest.mark.parametrize("running", [False, True], ids=["while it is stopped", "under the running service"])
async def test_a_department_whose_topic_was_made_anew_publishes_everything_again_by_itself(
    projecting: ClearanceFixture, library_database: str, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    monkeypatch.setattr(consumer, "_PROBE_BROKER_EVERY_S", 0.5)
    students = [student() for _ in range(20)]
    topic = projecting.topics.status("library")

    async def lose() -> None:
        await recreate(projecting.kafka, projecting.topics, DEPARTMENTS, topic)

    async def fresh(desk: Desk[Any]) -> None:
        await agree(projecting, desk, *students)

        async def stands() -> bool:
            rows = [await projecting.row(who) for who in students]
            return all(row is not None and row["version"] >= 2 and row["alive_as_of"] is not None for row in rows)

        await eventually(stands, what="every status to be there again, and fresh", timeout_s=60)

    async with library(projecting, library_database) as desk:
        for who in students:
            await open_case(desk, who)
        desk.wakeup.notify()
        await agree(projecting, desk, *students)
        await marked(desk)
        if running:
            await lose()
            began = time.monotonic()
            await fresh(desk)
            print(f"healed after {time.monotonic() - began:.1f} s")
    if not running:
        await lose()
        async with library(projecting, library_database) as desk:
            began = time.monotonic()
            await fresh(desk)
            print(f"healed after {time.monotonic() - began:.1f} s")


async def test_a_version_that_nobody_counted_to_freezes_no_line(
    projecting: ClearanceFixture, library_database: str
) -> None:
    who = student()
    async with library(projecting, library_database) as desk:
        await open_case(desk, who)
        desk.wakeup.notify()
        await agree(projecting, desk, who)
        await projecting.publish(status(who, MAX_VERSION))

        async def hidden() -> bool:
            row = await projecting.row(who)
            return row is not None and not row["readable"]

        await eventually(hidden, what="the line to be hidden")
        await set_card(desk, who, Card.CANCELLED)
        await agree(projecting, desk, who)
        assert await projecting.version(who) == 2
