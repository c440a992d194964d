"""The worker: each row exactly once, whatever ends, waits or fails on the way."""

import asyncio
import json
import random
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.kit.imports import row_store
from services.kit.imports import worker as import_worker
from services.kit.imports.spec import Batch, ImportSpec, RowEffect, RowSource
from services.kit.imports.worker import HoldRetry, ImportWorker
from services.kit.messaging.outbox import Wakeup
from services.kit.names import desk_role
from services.kit.postgres.pool import Connection
from services.kit.retention.tables import IMPORTS
from services.kit.student_numbers import Standing
from tests.support.imports.department import NOW, Service, counts, service, student
from tests.support.imports.killed_worker import COUNTED, EFFECTS, CountedRow
from tests.support.retention import SETTINGS, purge_in

DEADLINE_S = 60.0


@pytest.fixture
async def counted(database: str) -> AsyncIterator[Service]:
    async with service(database, lambda pool: COUNTED) as running:
        await running.pool.execute(EFFECTS)
        yield running


async def until(true: Callable[[], Awaitable[bool]], *, every_s: float = 0.01, deadline_s: float = DEADLINE_S) -> None:
    async with asyncio.timeout(deadline_s):
        while not await true():  # noqa: ASYNC110 - what is waited for happens in the database
            await asyncio.sleep(every_s)


async def test_progress_grows_and_a_large_file_is_applied_whole(library: Service) -> None:
    size = 20_000
    file = "学号,论文\n" + "".join(f"TS{secrets.token_hex(4).upper()}{n},approved\n" for n in range(size))
    location = (await library.send(file)).headers["Location"]
    working = asyncio.create_task(library.worker().work())
    seen = [0]

    async def done() -> bool:
        job = await library.get(location)
        seen.append(job["rows_done"])
        return bool(job["state"] == "done")

    await until(done, every_s=0.2, deadline_s=300)
    assert await working
    assert seen == sorted(seen)
    assert len(set(seen)) > 10
    assert counts(await library.get(location)) == (size, 0, 0)
    assert await library.pool.fetchval("SELECT count(*) FROM record WHERE body->>'thesis' = 'approved'") == size


async def assert_each_exactly_once(counted: Service, students: list[str]) -> None:
    rows = await counted.pool.fetch("SELECT student_id, half FROM effect ORDER BY id")
    assert [(row["student_id"], row["half"]) for row in rows] == [
        (each, half) for each in students for half in ("first", "second")
    ]


async def test_a_worker_cancelled_at_any_await_leaves_no_row_twice_or_by_half(counted: Service) -> None:
    students = [student() for _ in range(600)]
    location = (await counted.send("student_id\n" + "\n".join(students))).headers["Location"]
    chance, cancelled = random.Random(7), 0
    while (await counted.get(location))["state"] != "done":
        working = asyncio.create_task(counted.worker(max_batch=7).work())
        await asyncio.wait({working}, timeout=chance.uniform(0, 0.08))
        cancelled += working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert cancelled > 3
    await assert_each_exactly_once(counted, students)


@pytest.mark.parametrize("stored", [False, True])
async def test_a_worker_that_ends_while_it_stores_outcomes_has_no_effect(
    counted: Service, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    students = [student() for _ in range(10)]
    location = (await counted.send("student_id\n" + "\n".join(students))).headers["Location"]
    store = row_store.store_outcomes

    async def ended(*given: Any) -> None:
        if stored:
            await store(*given)
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(import_worker, "store_outcomes", ended)
        with pytest.raises(asyncio.CancelledError):
            await counted.worker().work()
    assert (await counted.get(location))["rows_done"] == 0
    await assert_each_exactly_once(counted, [])
    assert await counted.worker().work()
    await assert_each_exactly_once(counted, students)


async def test_a_process_killed_in_the_middle_is_followed_by_one_that_goes_on(counted: Service) -> None:
    students = [student() for _ in range(3000)]
    location = (await counted.send("student_id\n" + "\n".join(students))).headers["Location"]

    async def half_done() -> bool:
        return bool((await counted.get(location))["rows_done"] >= 300)

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.imports.killed_worker", counted.dsn
    )
    try:
        await until(half_done)
    finally:
        process.kill()
        await process.wait()
    assert (await counted.get(location))["state"] == "running"

    async def taken_over() -> bool:
        return await counted.worker().work()

    await until(taken_over)
    assert counts(await counted.get(location)) == (3000, 0, 0)
    await assert_each_exactly_once(counted, students)


async def test_two_workers_at_once_apply_each_row_once(counted: Service) -> None:
    students = [student() for _ in range(500)]
    await counted.send("student_id\n" + "\n".join(students))
    worked = await asyncio.gather(*(counted.worker(max_batch=3).work() for _ in range(3)))
    assert worked.count(True) == 1
    await assert_each_exactly_once(counted, students)


async def test_jobs_are_worked_off_in_the_order_they_came_by_a_running_worker(counted: Service) -> None:
    students = [student() for _ in range(30)]
    working = asyncio.create_task(counted.worker().run())
    try:
        for start in (0, 10, 20):
            await counted.send("student_id\n" + "\n".join(students[start : start + 10]))

        async def all_done() -> bool:
            return all(job["state"] == "done" for job in (await counted.get("/imports"))["jobs"])

        await until(all_done)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    await assert_each_exactly_once(counted, students)


async def _clear_and_held(library: Service, student_id: str) -> None:
    await library.imported(f"student_id,thesis,card\n{student_id},approved,cancelled\n")
    await library.pool.execute(
        "INSERT INTO hold (attempt_id, student_id, version, placed_at) VALUES ($1, $2, 1, $3)", uuid4(), student_id, NOW
    )


async def test_a_row_refused_by_a_hold_waits_for_its_end_and_later_rows_of_the_student_with_it(
    library: Service,
) -> None:
    held, other = student(), student()
    await _clear_and_held(library, held)
    file = f"student_id,card\n{held},active\n{held},cancelled\n{other},cancelled\n"
    location = (await library.send(file)).headers["Location"]
    hold_retry = HoldRetry(first_delay_s=0.01, longest_delay_s=0.02)
    working = asyncio.create_task(library.worker(hold_retry=hold_retry).work())

    async def tried_twice() -> bool:
        return bool(await library.pool.fetchval("SELECT max(held_tries) >= 2 FROM import_row"))

    await until(tried_twice)
    rows = (await library.get(f"{location}/rows"))["rows"]
    assert [row["state"] for row in rows] == ["pending", "pending", "applied"]
    await library.pool.execute("DELETE FROM hold")
    assert await working
    rows = (await library.get(f"{location}/rows"))["rows"]
    assert [row["state"] for row in rows] == ["applied", "applied", "applied"]
    assert await library.pool.fetchval("SELECT body->>'card' FROM record WHERE student_id = $1", held) == "cancelled"


async def test_a_held_row_is_never_given_up_and_the_files_after_it_are_not_kept_waiting(library: Service) -> None:
    held, other = student(), student()
    await _clear_and_held(library, held)
    first = (await library.send(f"student_id,card\n{held},active\n")).headers["Location"]
    second = (await library.send(f"student_id,card\n{other},cancelled\n")).headers["Location"]
    third = (await library.send(f"student_id,card\n{held},cancelled\n{other},cancelled\n")).headers["Location"]
    working = asyncio.create_task(library.worker(hold_retry=HoldRetry(0.001, 0.002)).work())

    async def tried_often() -> bool:
        return bool(await library.pool.fetchval("SELECT max(held_tries) >= 30 FROM import_row"))

    await until(tried_often)
    waiting = await library.get(first)
    assert (waiting["state"], waiting["rows_done"], waiting["rows_waiting"]) == ("running", 0, 1)
    assert counts(await library.get(second)) == (1, 0, 0)
    # The student's row of a later file stays behind the one that waits.
    assert (await library.get(third))["rows_done"] == 1
    blocked = await library.pool.fetchval("SELECT blocked FROM waiting_change WHERE student_id = $1", held)
    assert blocked == ["borrowing"]
    await library.pool.execute("DELETE FROM hold")
    assert await working
    assert counts(await library.get(first)) == (1, 0, 0)
    assert (await library.get(first))["rows_waiting"] == 0
    assert (await library.get(third))["state"] == "done"
    assert await library.pool.fetchval("SELECT body->>'card' FROM record WHERE student_id = $1", held) == "cancelled"


async def test_a_busy_database_delays_a_row_and_never_rejects_it(library: Service) -> None:
    one, tries = student(), 0
    await library.imported(f"student_id,thesis\n{one},submitted\n")
    original = library.spec.begin_batch
    assert original is not None

    async def impatient(connection: Connection, student_ids: Sequence[str], together: bool) -> Batch:
        nonlocal tries
        tries += 1
        await connection.execute("SET LOCAL lock_timeout = '20ms'")
        return await original(connection, student_ids, together)

    object.__setattr__(library.spec, "begin_batch", impatient)
    location = (await library.send(f"student_id,thesis\n{one},approved\n")).headers["Location"]
    working = asyncio.create_task(library.worker().work())

    async def tried_twice() -> bool:
        return tries >= 2

    async with library.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM record WHERE student_id = $1 FOR UPDATE", one)
        await until(tried_twice)
    assert await working
    assert counts(await library.get(location)) == (1, 0, 0)


async def test_a_row_the_code_fails_on_is_rejected_alone_and_undone(counted: Service) -> None:
    students = [student() for _ in range(5)]

    async def failing(connection: Connection, row: CountedRow, source: RowSource, now: datetime) -> RowEffect:
        await connection.execute("INSERT INTO effect (student_id, half) VALUES ($1, 'first')", row.student_id)
        if row.student_id == students[1]:
            raise KeyError(row.student_id)
        if row.student_id == students[2]:
            await connection.execute("SELECT 1 / 0")
        await connection.execute("INSERT INTO effect (student_id, half) VALUES ($1, 'second')", row.student_id)
        return RowEffect("applied", Standing.UNKNOWN)

    spec = ImportSpec(kind="counted", row=CountedRow, headings={}, apply=failing, role=desk_role("counted"))
    await counted.send("student_id\n" + "\n".join(students))
    with capture_logs() as logs:
        await ImportWorker(spec, counted.pool, Wakeup()).work()
    assert "import_row.failed" in [line["event"] for line in logs]
    assert not any(each in str(logs) for each in students)
    (job,) = (await counted.get("/imports"))["jobs"]
    assert counts(job) == (3, 0, 2)
    assert sorted(await counted.rejected(job)) == [3, 4]
    await assert_each_exactly_once(counted, [students[0], *students[3:]])


async def test_a_finished_import_is_purged_after_its_time_and_an_unfinished_never(counted: Service) -> None:
    done = await counted.imported(f"student_id\n{student()}\n")
    assert (await counted.send(f"student_id\n{student()}\n")).status_code == 202
    for days, left in ((SETTINGS.keep_imports_days - 0.1, 2), (SETTINGS.keep_imports_days + 0.1, 1)):
        await purge_in(counted.pool, IMPORTS, days=days)
        assert len((await counted.get("/imports"))["jobs"]) == left
    assert await counted.pool.fetchval("SELECT count(*) FROM import_row WHERE job_id = $1", done["job_id"]) == 0


async def test_every_row_that_changed_somebody_is_in_the_audit_and_no_other(library: Service) -> None:
    changed, same, faulty = student(), student(), student()
    await library.imported(f"学号,论文\n{same},approved\n")
    job = await library.imported(f"学号,论文\n{changed},approved\n{same},approved\n{faulty},no such state\n")
    entries = await library.pool.fetch(
        "SELECT actor, act, outcome, student_id, details::json AS details FROM audit.entry"
        " WHERE details::json ->> 'job' = $1 AND details::json ->> 'row' IS NOT NULL ORDER BY entry_id",
        job["job_id"],
    )
    told = {
        (row["actor"], row["act"], row["outcome"], row["student_id"]): json.loads(row["details"]) for row in entries
    }
    assert told == {
        ("desk", "import.library", "applied", changed): {"job": job["job_id"], "row": 2, "version": 0},
        ("desk", "import.library", "rejected", faulty): {"job": job["job_id"], "row": 4},
    }
