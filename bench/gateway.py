"""The case page and its JSON twin, beside a FastAPI application that answers a constant.

The constant costs what HTTP and FastAPI cost by themselves.
"""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import uvicorn
from fastapi import FastAPI

from bench.fixtures import Servers, enrol_clear
from bench.harness import in_subprocess, over
from bench.http_load import Load, load
from deploy.local.installation import Installation
from deploy.local.processes.ports import LOOPBACK, free_port
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY
from services.gateway.tables.sessions import Sessions
from services.gateway.web.cookies import SESSION_COOKIE

PAGE: Final = "/case"
TWIN: Final = "/api/v1/case"


@dataclass(frozen=True, slots=True)
class Sizes:
    requests: int = 1_500
    connections: int = 32
    sessions: int = 400
    students: int = 80


QUICK: Final = Sizes(requests=60, connections=4, sessions=6, students=3)


@dataclass(frozen=True, slots=True)
class Round:
    constant: Load
    page: Load
    twin: Load


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str]:
    sizes = QUICK if quick else Sizes()
    with tempfile.TemporaryDirectory() as folder, constant_server() as constant:
        installation = Installation(Path(folder), postgres=on.postgres, kafka=on.kafka)
        with asyncio.Runner() as runner:
            try:
                cookies = runner.run(_start(installation, sizes))
                yield (
                    f"{sizes.connections} connections, {sizes.requests:,} requests a leg, {sizes.sessions} sessions of "
                    f"{sizes.students} students clear at every department"
                )
                done: list[Round] = []
                for _ in range(rounds):
                    done.append(_round(constant, installation.address(GATEWAY), cookies, sizes))
                yield from _report(done)
            finally:
                runner.run(installation.close())


async def _start(installation: Installation, sizes: Sizes) -> list[str]:
    await installation.provision()
    await installation.start(*installation.departments, CLEARANCE, IDENTITY, GATEWAY)
    students = await enrol_clear(installation, sizes.students)
    for department in installation.departments:
        installation.stop(department)
    async with asyncpg.create_pool(installation.database_dsn(GATEWAY), min_size=1, max_size=2) as pool:
        sessions = Sessions(pool, idle_s=3600, life_s=3600)
        return [
            f"{SESSION_COOKIE}={await _session(sessions, students[number % len(students)])}"
            for number in range(sizes.sessions)
        ]


async def _session(sessions: Sessions, student_id: str) -> str:
    return await sessions.start(
        student_id=student_id, issuer="bench", subject=str(uuid4()), authenticated_at=datetime.now(UTC), old=None
    )


def _round(constant: str, gateway: str, cookies: list[str], sizes: Sizes) -> Round:
    def leg(address: str, path: str) -> Load:
        return in_subprocess(_load, address, path, cookies, sizes)

    return Round(leg(constant, "/"), leg(gateway, PAGE), leg(gateway, TWIN))


async def _load(address: str, path: str, cookies: list[str], sizes: Sizes) -> Load:
    return await load(address, path, cookies, requests=sizes.requests, connections=sizes.connections)


def _report(done: list[Round]) -> Iterator[str]:
    yield f"{'':<24}{'requests/s':<30}{'p50 ms':<28}p99 ms"
    yield _row("constant FastAPI", done, lambda one: one.constant)
    yield _row(f"page {PAGE}", done, lambda one: one.page)
    yield _row(f"twin {TWIN}", done, lambda one: one.twin)
    yield f"page / constant FastAPI: {over(done, lambda one: one.page.rate / one.constant.rate).text()}"
    yield f"twin / constant FastAPI: {over(done, lambda one: one.twin.rate / one.constant.rate).text()}"


def _row(name: str, done: Sequence[Round], of: Callable[[Round], Load]) -> str:
    rate = over(done, lambda one: of(one).rate).text(digits=0)
    p50 = over(done, lambda one: of(one).p50_ms).text(digits=1)
    p99 = over(done, lambda one: of(one).p99_ms).text(digits=1)
    return f"{name:<24}{rate:<30}{p50:<28}{p99}"


@contextmanager
def constant_server() -> Iterator[str]:
    port = free_port()
    receiver, sender = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=_serve_constant, args=(port, sender), daemon=True)
    process.start()
    try:
        if not receiver.poll(30):
            raise RuntimeError("the constant server did not start")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.join(5)
        process.kill()
        process.join()


def _serve_constant(port: int, ready: Connection) -> None:
    app = FastAPI()

    @app.get("/")
    async def constant() -> dict[str, Any]:
        return {"state": "open", "checks": []}

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready.send(True)

    config = uvicorn.Config(
        app, host=LOOPBACK, port=port, http="httptools", ws="none", log_level="error", access_log=False
    )
    Server(config).run()
