"""Live streams: what an open page costs the gateway, and how long a change of the view takes to reach it.

Beside uvicorn with one queue a client and nothing of ours. Changes are written by the projector's statement, with its
notification. Latency is from the moment when COMMIT is sent to the last byte of the event at the client.
"""

import asyncio
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil
import structlog

from bench import events
from bench.fixtures import Servers, cookies_of, enrol_clear
from bench.harness import Figure, in_subprocess, over, percentile
from bench.live.clients import allow_open_files
from bench.live.legs import QUICK, WARM, Held, Pushes, Sizes, Target, bare, ours
from bench.live.limit import bare_server
from deploy.local.installation import Installation
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY

PAGE_BYTES: Final = 15_000
"""About what a page's event has."""
_COPY: Final = """
WITH copied AS (
    INSERT INTO student_case
    SELECT (jsonb_populate_record(one, jsonb_build_object('student_id', number))).*
    FROM student_case AS one, unnest($2::text[]) AS number WHERE student_id = $1
)
INSERT INTO status
SELECT (jsonb_populate_record(one, jsonb_build_object(
            'student_id', number, 'version', 1, 'source_offset', 0,
            'status', replace(replace(status, $1, number), '"version":' || version || ',', '"version":1,')))).*
FROM status AS one, unnest($2::text[]) AS number WHERE student_id = $1
"""
# The departments are stopped, and shall not fall silent.
_HEARD: Final = "UPDATE source SET alive_as_of = now() + interval '1 day'"


@dataclass(frozen=True, slots=True)
class Round:
    """`rush`: everybody changes in one transaction. `bare`: the limit, everybody told the same."""

    held: Held
    single: Pushes
    rush: Pushes
    bare_held: Held
    bare: Pushes


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    sizes = QUICK if quick else Sizes()
    allow_open_files(sizes.clients + 1_000)
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        installation = Installation(
            Path(folder),
            postgres=on.postgres,
            kafka=on.kafka,
            settings={"LIXIAO_MAX_STREAMS": str(sizes.clients + WARM)},
        )
        try:
            cookies = runner.run(start(installation, sizes.clients))
            yield (
                f"{sizes.clients:,} streams; {sizes.changes:,} changes at {sizes.per_s:g} a second, each with facts of "
                "its own; then one of everybody in one transaction"
            )
            done = []
            for number in range(rounds):
                done.append(_round(installation, cookies, sizes, number))
                runner.run(_restart(installation))
            yield from _report(done)
        finally:
            runner.run(installation.close())


async def start(installation: Installation, clients: int) -> list[str]:
    """Cookies of as many students, clear at every department, that `bench.events` counts."""
    # 5,000 sessions that start would be 5,000 lines.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    await installation.provision()
    await installation.start(*installation.departments, CLEARANCE, IDENTITY, GATEWAY)
    (student,) = await enrol_clear(installation, 1)
    for name in (*installation.departments, CLEARANCE):
        installation.stop(name)
    connection = await installation.connect(CLEARANCE)
    await connection.execute(_COPY, student, [events.student(number) for number in range(clients)])
    await connection.execute(_HEARD)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return await cookies_of(installation, [events.student(number) for number in range(clients)])


async def _restart(installation: Installation) -> None:
    """Memory is asked of a new process."""
    installation.stop(GATEWAY)
    await installation.start(GATEWAY)


def _round(installation: Installation, cookies: Sequence[str], sizes: Sizes, number: int) -> Round:
    databases = tuple(urlsplit(installation.database_dsn(name)).path[1:] for name in (GATEWAY, CLEARANCE))
    address = installation.address(GATEWAY)
    target = Target(address, listening(address), databases)
    held, single, rush = in_subprocess(ours, target, cookies, installation.database_dsn(CLEARANCE), sizes, number)
    with bare_server(PAGE_BYTES) as (bare_address, pid):
        bare_held, told = in_subprocess(bare, Target(bare_address, pid), sizes)
    return Round(held, single, rush, bare_held, told)


def listening(address: str) -> int:
    """The process of ours that answers there."""
    port = urlsplit(address).port
    for process in psutil.Process().children(recursive=True):
        if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in process.net_connections("tcp4")):
            return process.pid
    raise RuntimeError(f"no process of ours listens at {address}")


def _report(done: Sequence[Round]) -> Iterator[str | Figure]:
    held: dict[str, Callable[[Round], Held]] = {"gateway": lambda one: one.held, "bare": lambda one: one.bare_held}
    yield f"{'a stream':<20}{'KiB (RSS)':<26}{'KiB (PSS)':<26}{'µs to open':<26}{'idle µs/s':<26}PostgreSQL"
    for name, of in held.items():
        figures = [
            over(done, lambda one, get=get, of=of: get(of(one))).text(digits=1)  # type: ignore[misc]
            for get in (
                lambda one: one.kib,
                lambda one: one.pss_kib,
                lambda one: one.open_us,
                lambda one: one.idle_us,
                lambda one: one.idle_database_us,
            )
        ]
        yield f"{name:<20}" + "".join(f"{each:<26}" for each in figures)
    told: dict[str, Callable[[Round], Pushes]] = {
        "a change": lambda one: one.single,
        "everybody's change": lambda one: one.rush,
        "bare, everybody told": lambda one: one.bare,
    }
    yield f"{'a page sent':<24}{'p50 ms':<30}{'p99 ms':<30}{'µs Python':<26}PostgreSQL"
    for name, page in told.items():
        p50, p99 = (
            over(done, lambda one, share=share, page=page: percentile(page(one).ms, share)).text(digits=1)  # type: ignore[misc]
            for share in (0.5, 0.99)
        )
        python = over(done, lambda one, page=page: page(one).python_us).text(digits=0)  # type: ignore[misc]
        database = over(done, lambda one, page=page: page(one).database_us).text(digits=0)  # type: ignore[misc]
        yield f"{name:<24}{p50:<30}{p99:<30}{python:<26}{database}"
    yield Figure(
        "a live stream opened",
        over(done, lambda one: one.held.open_us),
        over(done, lambda one: one.held.kib).text(" KiB", 1),
        "bare uvicorn",
        over(done, lambda one: one.held.kib / max(one.bare_held.kib, 0.1)),
        {"memory KiB": over(done, lambda one: one.held.kib)},
    )
    yield Figure(
        "a change to an open page",
        over(done, lambda one: one.single.python_us + one.single.database_us),
        over(done, lambda one: percentile(one.single.ms, 0.99)).text(" ms p99", 1),
        values={"p99 ms": over(done, lambda one: percentile(one.single.ms, 0.99))},
    )
    yield Figure(
        "a page of everybody's change",
        over(done, lambda one: one.rush.python_us + one.rush.database_us),
        over(done, lambda one: percentile(one.rush.ms, 0.99)).text(" ms p99", 1),
        values={"p99 ms": over(done, lambda one: percentile(one.rush.ms, 0.99))},
    )
