"""A student's page and its twin when each is read for the first time, and the statement behind them alone."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from bench.fixtures import cookies_of
from bench.gateway.gateway import listening
from bench.harness import Leg, database_cpu_s, in_subprocess, process_cpu_s
from bench.http_load import Load, load
from deploy.local.installation import Installation
from schemas.flows import CLEARANCE, GATEWAY
from services.gateway.read_model.student_statements import STUDENTS_WITHOUT_MORE
from services.kit.postgres.pool import open_pool

CONNECTIONS: Final = 32
TOGETHER: Final = 8
"""Students of one statement, and two statements at a time: about what 32 connections to the gateway come to."""


def read(installation: Installation, path: str, students: Sequence[str]) -> Leg:
    cookies = asyncio.run(cookies_of(installation, students))
    server = listening(installation.address(GATEWAY))
    names = [urlsplit(installation.database_dsn(name)).path[1:] for name in (GATEWAY, CLEARANCE)]
    before = _cpu_s(server), sum(map(database_cpu_s, names))
    done: Load = in_subprocess(_load, installation.address(GATEWAY), path, cookies)
    spent_s = _cpu_s(server) - before[0], sum(map(database_cpu_s, names)) - before[1]
    return Leg(len(students), len(students) / done.rate, *spent_s)


async def _load(address: str, path: str, cookies: Sequence[str]) -> Load:
    return await load(address, path, cookies, requests=len(cookies), connections=min(CONNECTIONS, len(cookies)))


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def raw(dsn: str, students: Sequence[str]) -> Leg:
    """The gateway's statement on as many connections as it has, with its rows thrown away."""
    pool = await open_pool(dsn, name="bench", min_size=2, max_size=2, by_key=True)
    database = urlsplit(dsn).path[1:]
    groups = [list(students[at : at + TOGETHER]) for at in range(0, len(students), TOGETHER)]

    async def reader(left: "Iterator[list[str]]") -> None:
        async with pool.acquire() as connection:
            for group in left:
                await connection.fetch(STUDENTS_WITHOUT_MORE, group)

    try:
        # Planned, and the views' definitions in each session's cache.
        await asyncio.gather(*(reader(iter([groups[0]] * 8)) for _ in range(2)))
        before, started_s = (process_cpu_s(), database_cpu_s(database)), time.perf_counter()
        left = iter(groups)
        await asyncio.gather(reader(left), reader(left))
        took_s = time.perf_counter() - started_s
        spent: Any = process_cpu_s() - before[0], database_cpu_s(database) - before[1]
        return Leg(len(students), took_s, *spent)
    finally:
        await pool.close()
