"""The case page and its JSON twin, beside a FastAPI application that answers a constant.

The constant costs what HTTP and FastAPI cost by themselves. Warm legs read students of whom nothing has changed; in the
others each request reads a student of whom everything has, or the library's status. The twin is read beside an
idiomatic FastAPI application of the same data as well, and pgbench with the gateway's own statement.
"""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import psutil
import uvicorn
from fastapi import FastAPI

from bench.fixtures import Servers, cookies_of, enrol_clear
from bench.gateway.peers import PEER, idiomatic, pgbench_rate
from bench.harness import Figure, database_cpu_s, in_subprocess, over
from bench.http_load import Load, load
from deploy.local.installation import Installation, new_student_id
from deploy.local.processes.ports import LOOPBACK, free_port
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY

PAGE: Final = "/case"
TWIN: Final = "/api/v1/case"
_COPY: Final = """
WITH copied AS (
    INSERT INTO student_case
    SELECT (jsonb_populate_record(one, jsonb_build_object('student_id', $2::text))).* FROM student_case AS one
    WHERE student_id = $1
)
INSERT INTO status
SELECT (jsonb_populate_record(one, jsonb_build_object('student_id', $2::text, 'status', replace(status, $1, $2)))).*
FROM status AS one WHERE student_id = $1
"""
_CHANGE: Final = """
UPDATE status SET heard_at = heard_at + (1 + random()) * interval '1 s',
       status = replace(status, '"version":' || version || ',', '"version":' || version + 1 || ','),
       version = version + 1
WHERE $1::text IS NULL OR department = $1
"""
"""Each status is received at an instant of its own."""
NEWS_OF: Final = "library"


@dataclass(frozen=True, slots=True)
class Sizes:
    """`readers`: students who read once after each change."""

    requests: int = 6_000
    connections: int = 32
    sessions: int = 400
    students: int = 80
    readers: int = 1_500
    pgbench_s: int = 3


QUICK: Final = Sizes(requests=60, connections=4, sessions=6, students=3, readers=8, pgbench_s=1)


@dataclass(frozen=True, slots=True)
class Leg:
    """Processor time of the server and of PostgreSQL for it, a request."""

    load: Load
    python_us: float
    database_us: float


@dataclass(frozen=True, slots=True)
class Round:
    constant: Leg
    page: Leg
    twin: Leg
    changed_page: Leg
    changed_twin: Leg
    news_page: Leg
    news_twin: Leg
    idiomatic: Leg
    pgbench: float
    """Reads a second."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`cookies` of sessions that take turns, `readers` of sessions that read once."""

    constant: str
    installation: Installation
    cookies: list[str]
    readers: list[str]
    students: list[str]
    sizes: Sizes

    def round(self) -> Round:
        gateway = self.installation.address(GATEWAY)
        constant = self._leg(self.constant, "/")
        page, twin = self._leg(gateway, PAGE), self._leg(gateway, TWIN)
        changed_page, changed_twin = (self._after_change(path, None) for path in (PAGE, TWIN))
        news_page, news_twin = (self._after_change(path, NEWS_OF) for path in (PAGE, TWIN))
        view = self.installation.database_dsn(CLEARANCE)
        with served(idiomatic, self.installation.database_dsn(GATEWAY), view) as address:
            peer = self._leg(address, PEER)
        with tempfile.TemporaryDirectory() as folder:
            rate = pgbench_rate(view, self.students, Path(folder), seconds=self.sizes.pgbench_s)
        return Round(constant, page, twin, changed_page, changed_twin, news_page, news_twin, peer, rate)

    def _after_change(self, path: str, department: str | None) -> Leg:
        asyncio.run(_change(self.installation, department))
        return self._leg(self.installation.address(GATEWAY), path, once=True)

    def _leg(self, address: str, path: str, *, once: bool = False) -> Leg:
        cookies, requests = (self.readers, len(self.readers)) if once else (self.cookies, self.sizes.requests)
        if not once:
            in_subprocess(_load, address, path, cookies, 2 * len(cookies), self.sizes.connections)
        server = listening(address)
        before = self._cpu_s(server)
        done = in_subprocess(_load, address, path, cookies, requests, self.sizes.connections)
        spent = [after - earlier for after, earlier in zip(self._cpu_s(server), before, strict=True)]
        return Leg(done, *(seconds * 1e6 / requests for seconds in spent))

    def _cpu_s(self, server: psutil.Process) -> tuple[float, float]:
        times = server.cpu_times()
        databases = [urlsplit(self.installation.database_dsn(name)).path[1:] for name in (GATEWAY, CLEARANCE)]
        return times.user + times.system, sum(map(database_cpu_s, databases))


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    sizes = QUICK if quick else Sizes()
    with tempfile.TemporaryDirectory() as folder, constant_server() as constant:
        installation = Installation(Path(folder), postgres=on.postgres, kafka=on.kafka)
        with asyncio.Runner() as runner:
            try:
                cookies, readers, students = runner.run(start(installation, sizes))
                yield (
                    f"{sizes.connections} connections, {sizes.requests:,} requests a leg, {sizes.sessions} sessions of "
                    f"{sizes.students} students clear at every department; {sizes.readers:,} students who changed"
                )
                stage = Stage(constant, installation, cookies, readers, students, sizes)
                yield from _report([stage.round() for _ in range(rounds)])
            finally:
                runner.run(installation.close())


async def start(installation: Installation, sizes: Sizes) -> tuple[list[str], list[str], list[str]]:
    """Cookies of sessions that take turns, cookies of readers, and the readers' student numbers."""
    await installation.provision()
    await installation.start(*installation.departments, CLEARANCE, IDENTITY, GATEWAY)
    students = await enrol_clear(installation, sizes.students)
    for department in installation.departments:
        installation.stop(department)
    readers = [new_student_id() for _ in range(sizes.readers)]
    async with asyncpg.create_pool(installation.database_dsn(CLEARANCE), min_size=1, max_size=2) as pool:
        for student_id in readers:
            await pool.execute(_COPY, students[0], student_id)
        # They are stopped; a page of departments that are silent is another one, and grey.
        await pool.execute("UPDATE source SET alive_as_of = now() + interval '1 day'")
    turns = [students[number % len(students)] for number in range(sizes.sessions)]
    return await cookies_of(installation, turns), await cookies_of(installation, readers), readers


async def _change(installation: Installation, department: str | None) -> None:
    """What `department` says of everybody; None: what all say."""
    connection = await asyncpg.connect(installation.database_dsn(CLEARANCE))
    try:
        await connection.execute(_CHANGE, department)
        await connection.execute("VACUUM ANALYZE status")
    finally:
        await connection.close()


async def _load(address: str, path: str, cookies: list[str], requests: int, connections: int) -> Load:
    return await load(address, path, cookies, requests=requests, connections=connections)


def listening(address: str) -> psutil.Process:
    """The process of ours that answers there."""
    port = urlsplit(address).port
    for process in psutil.Process().children(recursive=True):
        if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in process.net_connections("tcp4")):
            return process
    raise RuntimeError(f"no process of ours listens at {address}")


def _report(done: list[Round]) -> Iterator[str | Figure]:
    legs: dict[str, Callable[[Round], Leg]] = {
        "constant FastAPI": lambda one: one.constant,
        f"page {PAGE}": lambda one: one.page,
        f"twin {TWIN}": lambda one: one.twin,
        "page, all changed": lambda one: one.changed_page,
        "twin, all changed": lambda one: one.changed_twin,
        "page, one's news": lambda one: one.news_page,
        "twin, one's news": lambda one: one.news_twin,
        "idiomatic FastAPI": lambda one: one.idiomatic,
    }
    yield f"{'':<22}{'requests/s':<28}{'p50 ms':<24}{'p99 ms':<26}{'µs each: Python':<22}PostgreSQL"
    for name, of in legs.items():
        yield _row(name, done, of)
    for name, of in list(legs.items())[1:]:
        yield f"{name} / constant FastAPI: {_to_constant(done, of)}"
    to_idiomatic = over(done, lambda one: one.twin.load.rate / one.idiomatic.load.rate).text()
    to_pgbench = over(done, lambda one: one.twin.load.rate / one.pgbench).text()
    yield f"twin {TWIN} / idiomatic FastAPI: {to_idiomatic}"
    yield f"twin {TWIN} / pgbench, one process: {to_pgbench} of {over(done, lambda one: one.pgbench).text('/s', 0)}"
    yield Figure(
        "twin beside idiomatic FastAPI",
        None,
        over(done, lambda one: one.twin.load.rate).text("/s", 0),
        over(done, lambda one: one.idiomatic.load.rate).text("/s", 0),
        over(done, lambda one: one.twin.load.rate / one.idiomatic.load.rate),
    )
    yield Figure(
        "twin beside pgbench",
        None,
        over(done, lambda one: one.twin.load.rate).text("/s", 0),
        over(done, lambda one: one.pgbench).text("/s", 0),
        over(done, lambda one: one.twin.load.rate / one.pgbench),
    )
    for name, of in legs.items():
        yield Figure(
            name,
            over(done, lambda one, of=of: of(one).python_us + of(one).database_us),  # type: ignore[misc]
            over(done, lambda one, of=of: of(one).load.rate).text("/s", 0),  # type: ignore[misc]
            "constant FastAPI",
            over(done, lambda one, of=of: of(one).load.rate / one.constant.load.rate),  # type: ignore[misc]
            {"p99 ms": over(done, lambda one, of=of: of(one).load.p99_ms)},  # type: ignore[misc]
        )


def _to_constant(done: Sequence[Round], of: Callable[[Round], Leg]) -> str:
    rate = over(done, lambda one: of(one).load.rate / one.constant.load.rate)
    python = over(done, lambda one: one.constant.python_us / max(of(one).python_us, 1.0))
    return f"{rate.text()}; by Python's processor time {python.text()}"


def _row(name: str, done: Sequence[Round], of: Callable[[Round], Leg]) -> str:
    rate = over(done, lambda one: of(one).load.rate).text(digits=0)
    p50 = over(done, lambda one: of(one).load.p50_ms).text(digits=1)
    p99 = over(done, lambda one: of(one).load.p99_ms).text(digits=1)
    python = over(done, lambda one: of(one).python_us).text(digits=0)
    database = over(done, lambda one: of(one).database_us).text(digits=0)
    return f"{name:<22}{rate:<28}{p50:<24}{p99:<26}{python:<22}{database}"


def constant_server() -> AbstractContextManager[str]:
    return served(_constant)


@contextmanager
def served(app: Callable[..., FastAPI], *arguments: str) -> Iterator[str]:
    """Its address, in a process of its own."""
    port = free_port()
    receiver, sender = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=_serve, args=(app, arguments, port, sender), daemon=True)
    process.start()
    try:
        if not receiver.poll(30):
            raise RuntimeError("the server of a peer did not start")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.join(5)
        process.kill()
        process.join()


def _constant() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def constant() -> dict[str, Any]:
        return {"state": "open", "checks": []}

    return app


def _serve(make: Callable[..., FastAPI], arguments: tuple[str, ...], port: int, ready: Connection) -> None:
    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready.send(True)

    config = uvicorn.Config(
        make(*arguments), host=LOOPBACK, port=port, http="httptools", ws="none", log_level="error", access_log=False
    )
    Server(config).run()
