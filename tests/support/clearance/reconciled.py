"""A department and the clearance beside it, over a real broker and two databases, with digests every half second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from deploy.local.installation import new_student_id
from services.clearance.roster.roster import Roster
from services.clearance.view.reconciliation.findings import Finding, page
from services.clearance.view.reconciliation.watch import ReconciliationWatch
from services.kit.clearance_policy import ClearancePolicy
from services.kit.department.changes.requests import change_record
from services.kit.department.desk import Desk
from services.kit.department.loops.edited_records import EditedRecords
from services.kit.department.recovery.republication import StatusPublisher
from services.kit.department.subscriptions import department_router
from services.kit.department.tables.record_store import DIGESTS
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.alive_marks import AliveMarks
from services.kit.messaging.relaying.relay import Relay
from services.kit.republishing.worker import Republisher
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture
from tests.support.departments.desks import desk_over, now, open_case
from tests.support.samples.roster_students import person
from tests.support.waiting import eventually

DEPARTMENT: Final = "library"
EVERY_S: Final = 0.5


@dataclass
class Reconciled:
    """`desk` is the department's. Its relay, the projector and the watch run as in the services."""

    clearance: ClearanceFixture
    desk: Desk[Any]
    watch: ReconciliationWatch
    roster: Roster

    async def enrolled(self) -> str:
        """On the roster, with a status that the view has."""
        student_id = new_student_id()
        async with self.clearance.pool.acquire() as connection, connection.transaction():
            await self.roster.put(connection, person(student_id), now=now())

        async def shown() -> bool:
            return student_id in await self.viewed()

        await eventually(shown, what="the first status of a student on the roster", timeout_s=30)
        return student_id

    async def students(self, count: int) -> list[str]:
        """Each with a status that the view has."""
        made = [new_student_id() for _ in range(count)]
        for student_id in made:
            await open_case(self.desk, student_id)
        await self.in_step()
        return made

    async def in_step(self) -> None:
        async def equal() -> bool:
            return await self.published() == await self.viewed()

        await eventually(equal, what="the view to equal what the department has", timeout_s=30)

    async def published(self) -> dict[str, str]:
        rows = await self.desk.pool.fetch("SELECT student_id, status FROM record WHERE status IS NOT NULL")
        return {row["student_id"]: row["status"] for row in rows}

    async def viewed(self) -> dict[str, str]:
        rows = await self.clearance.pool.fetch(
            "SELECT student_id, status FROM published.status_v1 WHERE version > 0 AND readable"
        )
        return {row["student_id"]: row["status"] for row in rows}

    async def findings(self, *, healed: bool = False) -> list[Finding]:
        async with self.clearance.pool.acquire() as connection:
            return await page(connection, healed=healed, before=0, limit=100)

    async def found(self) -> Finding:
        async def one() -> bool:
            return bool(await self.findings())

        await eventually(one, what="a finding", timeout_s=30)
        (finding,) = await self.findings()
        return finding

    async def healed(self) -> Finding:
        async def no_more() -> bool:
            return not await self.findings() and bool(await self.findings(healed=True))

        await eventually(no_more, what="the finding to be healed", timeout_s=60)
        return (await self.findings(healed=True))[0]

    async def compared(self, times: int = 2) -> None:
        """Every partition, so many times from now on."""
        for _ in range(times):
            since = now()

            async def all_later(since: Any = since) -> bool:
                rows = await self.clearance.pool.fetch("SELECT compared_at FROM reconciliation")
                return len(rows) == 6 and all(row["compared_at"] > since for row in rows)

            await eventually(all_later, what="every partition to be compared", timeout_s=30)


@asynccontextmanager
async def reconciled(
    department_database: str, clearance_database: str, kafka: KafkaConnection, namespace: str, *, healing: bool = True
) -> AsyncIterator[Reconciled]:
    """Without `healing` the department does not hear that it is asked."""
    async with AsyncExitStack() as stack:
        clearance = await stack.enter_async_context(clearance_fixture(clearance_database, kafka, namespace))
        desk = await stack.enter_async_context(desk_over(department_database, DEPARTMENT, namespace))
        marks = AliveMarks(DEPARTMENT, clearance.topics.status(DEPARTMENT), 0.2, DIGESTS, digest_every_s=EVERY_S)
        relay = Relay(department_database, kafka=kafka, name=DEPARTMENT, wakeup=Wakeup(), alive=marks)
        roster = Roster(topic=clearance.topics.case, served=ClearancePolicy().served, zone=ZoneInfo("Asia/Shanghai"))
        watch = ReconciliationWatch(clearance.pool, clearance.topics, roster, Wakeup(), every_s=0.1, again_after_s=2)
        requests = Relay(clearance_database, kafka=kafka, name="clearance", wakeup=Wakeup())
        router = department_router(desk, clearance.topics)
        consumer = TransactionalConsumer(router, name=DEPARTMENT, pool=desk.pool, kafka=kafka)
        loops = {
            "relay": relay.run,
            "requests": requests.run,
            "projector": clearance.projector().run,
            "watch": watch.run,
        }
        if healing:
            loops["consumer"] = consumer.run
            loops["republication"] = Republisher(desk.pool, StatusPublisher(desk), desk.wakeup).run
            loops["edited records"] = EditedRecords(desk, every_s=0.2).run
        health = Health()
        for name, run in loops.items():
            await stack.enter_async_context(background(name, run, health))
        yield Reconciled(clearance, desk, watch, roster)


@asynccontextmanager
async def busy(desk: Desk[Any], students: list[str], change: Any, writers: int = 4) -> AsyncIterator[list[int]]:
    """Changes one student after another until the end; how many, by writer."""
    made = [0] * writers
    ended = asyncio.Event()

    async def write(number: int) -> None:
        own = students[number::writers]
        while not ended.is_set():
            await change_record(desk, own[made[number] % len(own)], change(made[number]), now=now())
            made[number] += 1

    writing = [asyncio.create_task(write(number)) for number in range(writers)]
    try:
        yield made
    finally:
        ended.set()
        await asyncio.gather(*writing)
