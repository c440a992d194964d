"""Another import worker takes over from one that is gone without a word, and no row is applied twice."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import pytest

from services.kit.imports.worker import ImportWorker
from services.kit.messaging.outbox import Wakeup
from services.kit.postgres.pool import open_pool
from tests.support.imports.department import Service, service, student
from tests.support.imports.killed_worker import COUNTED, EFFECTS
from tests.support.paths import ROOT
from tests.support.servers.tcp_proxy import proxy_to
from tests.support.waiting import eventually

SILENT_AFTER_S: Final = 4.0
ROWS: Final = 4000


@pytest.fixture
async def counted(database: str) -> AsyncIterator[Service]:
    async with service(database, lambda pool: COUNTED) as running:
        await running.pool.execute(EFFECTS)
        yield running


async def rows_done(counted: Service, location: str) -> int:
    job = await counted.get(location)
    return int(job["rows_done"])


async def assert_taken_over(counted: Service, location: str, students: list[str]) -> None:
    """By a second worker, which finds each row done or untouched."""
    second = counted.worker(silent_after_s=SILENT_AFTER_S)
    assert not await second.work()

    async def worked() -> bool:
        return await second.work()

    await eventually(worked, what="another worker", timeout_s=30, poll_s=0.2)
    assert (await counted.get(location))["state"] == "done"
    rows = await counted.pool.fetch("SELECT student_id, half FROM effect ORDER BY id")
    assert [(row["student_id"], row["half"]) for row in rows] == [
        (each, half) for each in students for half in ("first", "second")
    ]


async def test_a_worker_that_hangs_alive_is_replaced_and_applies_nothing_late(counted: Service) -> None:
    students = [student() for _ in range(ROWS)]
    location = (await counted.send("student_id\n" + "\n".join(students))).headers["Location"]
    hanging = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.imports.killed_worker", counted.dsn, cwd=ROOT
    )
    try:

        async def begun() -> bool:
            return await rows_done(counted, location) > 0

        await eventually(begun, what="the first rows", poll_s=0.01)
        hanging.send_signal(signal.SIGSTOP)
        assert await rows_done(counted, location) < ROWS
        await assert_taken_over(counted, location, students)
        hanging.send_signal(signal.SIGCONT)
        await asyncio.sleep(1)
        assert await counted.pool.fetchval("SELECT count(*) FROM effect") == 2 * ROWS
    finally:
        # It may have ended by itself: its session was ended.
        with suppress(ProcessLookupError):
            hanging.kill()
        await hanging.wait()


async def test_a_worker_behind_a_half_open_connection_is_replaced(counted: Service) -> None:
    students = [student() for _ in range(ROWS)]
    location = (await counted.send("student_id\n" + "\n".join(students))).headers["Location"]
    async with proxy_to(counted.dsn) as (proxy, through):
        pool = await open_pool(through, name="half-open")
        working = asyncio.create_task(ImportWorker(COUNTED, pool, Wakeup()).work())

        async def begun() -> bool:
            return await rows_done(counted, location) > 0

        await eventually(begun, what="the first rows", poll_s=0.01)
        proxy.stall()
        assert await rows_done(counted, location) < ROWS
        await assert_taken_over(counted, location, students)
        working.cancel()
        await asyncio.wait({working}, timeout=1)
        pool.terminate()
