"""A peer is a process of its own: how far it has come is read from its table.

Versions of a student count up from 1, which is in the table before. So the sum of all versions tells how many events
are in the table, also where a newer one took the place of several.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import psutil

from bench.fixtures import Sandbox
from bench.harness import Leg, sessions_of
from deploy.local.processes.process import Process

DONE_WITHIN_S: Final = 300.0
_BEGUN_EVERY_S: Final = 0.1
_DONE_EVERY_S: Final = 0.01
_COUNTED_EVERY_S: Final = 0.5
# Cheaper than the sum, and true when everything is there or shortly before.
_LAST: Final = """
SELECT count(*) = cardinality($1::text[]) FROM unnest($1::text[], $2::int[]) AS last (student_id, newest)
JOIN {table} AS view USING (student_id) WHERE view.version = last.newest
"""


@dataclass(frozen=True, slots=True)
class Expected:
    """Of the whole topic. `last`: the version of the student of each partition's last event."""

    students: int
    count: int
    last: Mapping[str, int]


async def watched(
    sandbox: Sandbox, process: Process, table: str, expected: Expected, *, first_only: int | None = None
) -> Leg:
    """Starts the process and ends it. Without start-up and first batch; `first_only`: until so many are there.

    Raises RuntimeError with its last lines when it ends, or does not write every event in time.
    """
    connection = await asyncpg.connect(sandbox.dsn)
    own = await connection.fetchval("SELECT pg_backend_pid()")
    process.start()
    try:
        async with asyncio.timeout(DONE_WITHIN_S):
            await _until(process, connection, f"SELECT EXISTS (SELECT FROM {table} WHERE version > 1)")
            began_s, before = time.perf_counter(), _cpu_s(process, sandbox.database, own)
            first = await _handled(connection, table, expected.students)
            while True:
                if first_only:
                    await asyncio.sleep(_COUNTED_EVERY_S)
                else:
                    last = list(expected.last), list(expected.last.values())
                    await _until(process, connection, _LAST.format(table=table), *last, every_s=_DONE_EVERY_S)
                ended_s, after = time.perf_counter(), _cpu_s(process, sandbox.database, own)
                done = await _handled(connection, table, expected.students)
                if done >= (first_only or expected.count):
                    break
    except TimeoutError:
        raise RuntimeError(f"{process.name}: not done in {DONE_WITHIN_S:.0f} s\n{process.last_lines()}") from None
    finally:
        await asyncio.to_thread(process.kill)
        await connection.close()
    if first == done:
        raise RuntimeError(f"{process.name} wrote everything as its first batch: more events are needed")
    return Leg(done - first, ended_s - began_s, after[0] - before[0], after[1] - before[1])


async def _until(
    process: Process,
    connection: "asyncpg.Connection[Any]",
    statement: str,
    *values: Any,
    every_s: float = _BEGUN_EVERY_S,
) -> None:
    while not await connection.fetchval(statement, *values):
        if process.poll() is not None:
            raise RuntimeError(f"{process.name} ended\n{process.last_lines()}")
        await asyncio.sleep(every_s)


async def _handled(connection: "asyncpg.Connection[Any]", table: str, students: int) -> int:
    handled: int = await connection.fetchval(f"SELECT sum(version)::bigint - $1 FROM {table}", students)
    return handled


def _cpu_s(process: Process, database: str, own: int) -> tuple[float, float]:
    """Of the process and its children, and of the database's sessions but the one that watches."""
    root = psutil.Process(process.pid)
    sessions = (session for session in sessions_of(database) if session.pid != own)
    return _used_s((root, *root.children(recursive=True))), _used_s(sessions)


def _used_s(processes: Iterable[psutil.Process]) -> float:
    spent_s = 0.0
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            spent_s += times.user + times.system
    return spent_s
