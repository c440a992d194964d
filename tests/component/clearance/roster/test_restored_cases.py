"""The clearance's database comes from a backup: departments follow its cases again, which they knew newer."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from deploy.local.servers.kafka import RunningKafka
from deploy.local.servers.server import Running
from services.clearance.roster.case_log import CaseLog
from services.clearance.roster.roster import Roster
from services.clearance.submission.republication import CasePublisher
from services.kit.clearance_policy import ClearancePolicy
from services.kit.department.desk import Desk
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.relay import Relay
from services.kit.postgres.pool import DATABASE_ERRORS, open_pool
from services.kit.republishing.worker import Republisher
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture
from tests.support.departments.desks import now
from tests.support.departments.running import running_department
from tests.support.imports.department import student
from tests.support.samples.roster_students import person
from tests.support.servers.backups import backup_of
from tests.support.servers.fixtures import DatabaseMaker
from tests.support.waiting import eventually


@dataclass
class Cases:
    """The clearance's relay and republication run over `pool`."""

    roster: Roster
    pool: "asyncpg.Pool[Any]"
    wakeup: Wakeup

    async def put(self, who: str) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await self.roster.put(connection, person(who), now=now())
        self.wakeup.notify()

    async def withdraw(self, who: str) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await self.roster.withdraw(connection, who, now=now())
        self.wakeup.notify()

    async def followed(self, desk: Desk[Any], *students: str) -> None:
        """Wait until the department has each case as the clearance has it."""

        async def is_so() -> bool:
            try:
                ours = await self.pool.fetch(
                    "SELECT student_id, version, state FROM student_case WHERE student_id = ANY($1) ORDER BY 1",
                    students,
                )
            except DATABASE_ERRORS:
                return False
            theirs = await desk.pool.fetch(
                "SELECT student_id, case_version, case_state FROM record WHERE student_id = ANY($1) ORDER BY 1",
                students,
            )
            return len(ours) == len(students) and list(map(tuple, ours)) == list(map(tuple, theirs))

        await eventually(is_so, what="the department to follow the cases", timeout_s=30)


@pytest.fixture
async def clearance(database: str, kafka: RunningKafka, namespace: str) -> AsyncIterator[ClearanceFixture]:
    async with clearance_fixture(database, kafka.address, namespace) as made:
        yield made


@asynccontextmanager
async def cases_of(clearance: ClearanceFixture) -> AsyncIterator[Cases]:
    topics, wakeup = clearance.topics, Wakeup()
    roster = Roster(topic=topics.case, served=ClearancePolicy().served, zone=ZoneInfo("Asia/Shanghai"))
    async with AsyncExitStack() as stack:
        pool = await open_pool(clearance.dsn, name="cases")
        stack.push_async_callback(pool.close)
        log = CaseLog(pool, topics.case)
        relay = Relay(clearance.dsn, kafka=clearance.kafka, name="clearance", wakeup=wakeup, published=log)
        republisher = Republisher(pool, CasePublisher(roster, topics), wakeup)
        for name, run in {"relay": relay.run, "republication": republisher.run}.items():
            await stack.enter_async_context(background(name, run, Health(), max_delay_s=1.0))
        yield Cases(roster, pool, wakeup)


@pytest.mark.parametrize("running", [False, True], ids=["while it is stopped", "under the running service"])
async def test_departments_follow_the_cases_of_a_restored_clearance(
    clearance: ClearanceFixture, make_database: DatabaseMaker, postgres: Running, running: bool
) -> None:
    who, later = student(), student()
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(
            running_department(
                await make_database("library"), "library", clearance.kafka, clearance.topics, consuming=True
            )
        )
        async with cases_of(clearance) as cases:
            await cases.put(who)
            await cases.followed(desk, who)
        backup = await stack.enter_async_context(backup_of(postgres.address, clearance.dsn))
        async with cases_of(clearance) as cases:
            await cases.withdraw(who)
            await cases.put(who)
            await cases.withdraw(who)
            await cases.put(later)
            await cases.followed(desk, who, later)
            if running:
                await backup.restore()
                began = time.monotonic()
                await cases.followed(desk, who)
                print(f"followed again after {time.monotonic() - began:.1f} s")
        if not running:
            await backup.restore()
        async with cases_of(clearance) as cases:
            # Of the backup's time: the case is open again.
            await cases.followed(desk, who)
            assert await desk.pool.fetchval("SELECT case_state FROM record WHERE student_id = $1", who) == "open"
        async with cases_of(clearance) as cases:
            await cases.withdraw(who)
            await cases.put(later)
            await cases.followed(desk, who, later)
            assert await cases.pool.fetchval("SELECT count(*) FROM republication") == 1


async def test_a_database_that_is_as_new_as_its_topic_publishes_nothing_again(
    clearance: ClearanceFixture, make_database: DatabaseMaker
) -> None:
    who = student()
    async with running_department(
        await make_database("library"), "library", clearance.kafka, clearance.topics, consuming=True
    ) as desk:
        for _ in range(2):
            async with cases_of(clearance) as cases:
                await cases.put(who)
                await cases.withdraw(who)
                await cases.followed(desk, who)
        async with cases_of(clearance) as cases:
            await cases.put(who)
            await cases.followed(desk, who)
            assert await cases.pool.fetchval("SELECT version FROM case_floor") == 0
            assert await cases.pool.fetchval("SELECT count(*) FROM republication") == 0
