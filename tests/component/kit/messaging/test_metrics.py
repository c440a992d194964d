"""What happens is measured where it happens: nobody has to ask for health."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from deploy.local.installation import new_student_id
from schemas.events import CaseChanged, CaseState
from schemas.topics import Topics
from services.kit.department.desk import Desk
from services.kit.department.loops.hold_watch import HoldWatch
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.department.rounds.holds import Holds
from services.kit.manifests import discover
from services.kit.messaging import outbox
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.outbox_metrics import measure_outbox
from services.kit.observability import metrics
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.departments.desks import now, rules_of
from tests.support.in_process.services import NOWHERE, record_of
from tests.support.waiting import eventually

Labels = dict[str, str]


class Recorded:
    """An instrument that keeps what it is given."""

    def __init__(self) -> None:
        self.values: list[tuple[Any, Labels]] = []

    def set(self, value: float, labels: Labels) -> None:
        self.values.append((value, labels))

    add = set


@pytest.fixture
async def pool(database: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    await migrate(database, DEPARTMENT_FOLDERS)
    pool = await open_pool(database, name="test")
    yield pool
    await pool.close()


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Recorded]:
    def record(name: str) -> Recorded:
        instrument = Recorded()
        monkeypatch.setattr(metrics, name, instrument)
        return instrument

    return record


@asynccontextmanager
async def running(work: Awaitable[Any]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_depth_and_age_of_an_outbox_show_while_no_relay_runs(
    pool: "asyncpg.Pool[Any]", recorded: Callable[[str], Recorded]
) -> None:
    depth = recorded("OUTBOX_DEPTH")
    labels = (("outbox", "measured"),)
    async with running(measure_outbox(pool, "measured", every_s=0.05)):
        await eventually(lambda: (0, {"outbox": "measured"}) in depth.values, what="an empty outbox")
        assert metrics.OUTBOX_AGE.read()[labels] == 0
        async with pool.acquire() as connection:
            for version in range(1, 2501):
                event = CaseChanged(
                    student_id=new_student_id(), version=version, state=CaseState.OPEN, occurred_at=now()
                )
                await outbox.append(
                    connection, topic="t", key=event.student_id, event=event, source="/lixiao/test", now=now()
                )
        await eventually(lambda: depth.values[-1][0] == 2500, what="every row, more than a relay's batch")
        await eventually(lambda: metrics.OUTBOX_AGE.read()[labels] > 0, what="the age")
        await pool.execute("DELETE FROM outbox")
        await eventually(lambda: depth.values[-1][0] == 0, what="an empty outbox again")
        await eventually(lambda: metrics.OUTBOX_AGE.read()[labels] == 0, what="no age")


async def test_the_age_of_the_oldest_hold_is_measured(
    pool: "asyncpg.Pool[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(rules_of("library"), pool, Topics("test"), Wakeup(), discover()["library"])
    monkeypatch.setattr("services.kit.department.loops.hold_watch.EVERY_S", 0.05)
    held = HoldWatch(pool, "measured", Holds(desk, Topics("test"), grace_s=60))
    labels = (("department", "measured"),)
    await pool.execute("INSERT INTO record (student_id, body, case_state) VALUES ('TS1', '{}', 'open')")
    await pool.execute(
        "INSERT INTO hold (attempt_id, student_id, version, placed_at) VALUES (gen_random_uuid(), 'TS1', 1, $1)",
        now() - timedelta(hours=1),
    )
    async with running(held.run()):
        await eventually(lambda: metrics.HOLD_AGE.read().get(labels, 0) > 3500, what="the age")
        await pool.execute("DELETE FROM hold")
        await eventually(lambda: metrics.HOLD_AGE.read()[labels] == 0, what="no hold")


async def test_dead_letters_are_counted_for_any_consumer_once_they_are_committed(
    pool: "asyncpg.Pool[Any]", recorded: Callable[[str], Recorded], namespace: str
) -> None:
    counted, lag = recorded("DEAD_LETTERS"), recorded("CONSUMER_LAG")
    topic = Topics(namespace).command
    router = TransactionalRouter(group="g")
    batches = router.subscriber(topic, batch=True)
    failures = 1

    @batches()
    async def refuse(records: list[Any], connection: Transaction) -> list[DeadLetter]:
        nonlocal failures
        if failures:
            failures -= 1
            raise ConnectionError("not now")
        return [DeadLetter(record, "it says so") for record in records]

    consumer = TransactionalConsumer(router, name="any", pool=pool, kafka=NOWHERE)
    labels = {"group": "g", "topic": topic}
    assert counted.values == [(0, labels)]
    assert lag.values == [(0, {"consumer": "any"})]

    batch = [record_of(topic, b"k", b"{"), record_of(topic, b"k", b"{")]
    await consumer.units[0].run(batch)
    assert counted.values == [(0, labels), (2, labels)]

    await pool.execute("DELETE FROM consumer_offset")
    consumer.state.restart()
    await consumer.units[0].run(batch)
    assert counted.values == [(0, labels), (2, labels)], "read again, they are the same dead letters"


async def test_failures_of_a_task_show_as_zero_from_its_start(recorded: Callable[[str], Recorded]) -> None:
    failures = recorded("TASK_FAILURES")

    async with background("idle", asyncio.Event().wait, Health()):  # type: ignore[arg-type]
        assert failures.values == [(0, {"task": "idle"})]
