"""Open live pages: what each costs while nothing is new, and how long a change takes from the view to the browser."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import psutil

from bench.fixtures import Servers
from bench.gateway import Sizes, listening, start
from bench.harness import Figure, Spread, database_cpu_s, in_subprocess, percentile
from deploy.local.installation import Installation
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.names import VIEW_CHANNEL

CONNECTED_AT_ONCE: Final = 50
WITHIN_S: Final = 120.0
LOOKS: Final = 10
"""Notifications without news, counted together."""
PAUSE_S: Final = 0.3
_CHANGE: Final = """
WITH changed AS (
    UPDATE status SET heard_at = heard_at + interval '1 s',
           status = replace(status, '"version":' || version || ',', '"version":' || version + 1 || ','),
           version = version + 1
    WHERE $1::text IS NULL OR student_id = $1
)
SELECT pg_notify($2, '')
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """CPU of the gateway and of PostgreSQL for it; `one_ms`, `all_ms`: from before the commit to the browser."""

    clients: int
    bytes_each: float
    look_us: float
    look_database_us: float
    sent_us: float
    sent_database_us: float
    one_ms: Sequence[float]
    all_ms: Sequence[float]


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    clients, changes = (20, 3) if quick else (5_000, 50)
    sizes = Sizes(sessions=2, students=2, readers=clients)
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        # The departments are stopped, and no page is to turn grey meanwhile.
        settings = {"LIXIAO_FRESHNESS_BOUND_S": "86400"}
        installation = Installation(Path(folder), postgres=on.postgres, kafka=on.kafka, settings=settings)
        try:
            _, cookies, students = runner.run(start(installation, sizes))
            address, dsn = installation.address(GATEWAY), installation.database_dsn(CLEARANCE)
            names = [urlsplit(installation.database_dsn(name)).path[1:] for name in (GATEWAY, CLEARANCE)]
            pid = listening(address).pid
            done = [in_subprocess(watch, address, cookies, students[:changes], dsn, names, pid) for _ in range(rounds)]
        finally:
            runner.run(installation.close())
    yield from _report(done)


def _report(done: Sequence[Watched]) -> Iterator[str | Figure]:
    def over(figure: Any) -> Spread:
        return Spread(tuple(figure(one) for one in done))

    yield f"{done[0].clients:,} open pages, one process; {over(lambda one: one.bytes_each / 1024).text(' KiB', 1)} each"
    for name, of in (
        ("one student changed", lambda one: one.one_ms),
        ("every student changed", lambda one: one.all_ms),
    ):
        p50, p99 = over(lambda one, of=of: percentile(of(one), 0.5)), over(lambda one, of=of: percentile(of(one), 0.99))
        yield f"{name}, view to browser: p50 {p50.text(' ms', 0)}, p99 {p99.text(' ms', 0)}"
    for name, python, database in (
        ("looked at, nothing new", over(lambda one: one.look_us), over(lambda one: one.look_database_us)),
        ("made anew and sent", over(lambda one: one.sent_us), over(lambda one: one.sent_database_us)),
    ):
        yield f"a page {name}: µs of Python {python.text(digits=1)}, of PostgreSQL {database.text(digits=1)}"
    yield Figure("an open page, nothing new", over(lambda one: one.look_us + one.look_database_us), "", "15 µs")
    yield Figure("an open page, made anew", over(lambda one: one.sent_us + one.sent_database_us))


_EVENT: Final = b"event: state"


class _Page(asyncio.Protocol):
    """`on_event` is called when the first bytes of one have come."""

    def __init__(self, request: bytes) -> None:
        self._request, self._unread = request, b""
        self.opened = asyncio.get_running_loop().create_future()
        self.on_event: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        seen = self._unread + data
        for _ in range(seen.count(_EVENT)):
            self.on_event()
            if not self.opened.done():
                self.opened.set_result(None)
        self._unread = seen[-len(_EVENT) + 1 :]


async def watch(
    address: str, cookies: Sequence[str], changed: Sequence[str], dsn: str, databases: Sequence[str], gateway: int
) -> Watched:
    process = psutil.Process(gateway)
    connection = await asyncpg.connect(dsn)
    before = process.memory_info().rss
    pages = await _open(address, cookies)
    bytes_each = (process.memory_info().rss - before) / len(pages)

    def cpu_s() -> tuple[float, float]:
        times = process.cpu_times()
        return times.user + times.system, sum(map(database_cpu_s, databases))

    async def events_after(student_id: str | None, expected: int) -> list[float]:
        arrivals: list[float] = []
        all_here = asyncio.Event()

        def here() -> None:
            arrivals.append(time.perf_counter())
            if len(arrivals) >= expected:
                all_here.set()

        for page in pages:
            page.on_event = here
        began = time.perf_counter()
        await connection.execute(_CHANGE, student_id, VIEW_CHANNEL)
        async with asyncio.timeout(WITHIN_S):
            await all_here.wait()
        return [(at - began) * 1e3 for at in arrivals]

    one_ms: list[float] = []
    for student_id in changed:
        one_ms += await events_after(student_id, 1)
        await asyncio.sleep(PAUSE_S)
    start_s = cpu_s()
    for _ in range(LOOKS):
        await connection.execute("SELECT pg_notify($1, '')", VIEW_CHANNEL)
        await asyncio.sleep(max(PAUSE_S, len(pages) / 2_500))
    looked_s = cpu_s()
    all_ms = await events_after(None, len(pages))
    sent_s = cpu_s()
    await connection.close()
    looks = [(after - start) * 1e6 / len(pages) / LOOKS for after, start in zip(looked_s, start_s, strict=True)]
    sent = [(after - start) * 1e6 / len(pages) for after, start in zip(sent_s, looked_s, strict=True)]
    return Watched(len(pages), bytes_each, looks[0], looks[1], sent[0], sent[1], one_ms, all_ms)


async def _open(address: str, cookies: Sequence[str]) -> list[_Page]:
    server, loop, pages = urlsplit(address), asyncio.get_running_loop(), []
    assert server.hostname is not None
    assert server.port is not None
    for first in range(0, len(cookies), CONNECTED_AT_ONCE):
        group = []
        for number, cookie in enumerate(cookies[first : first + CONNECTED_AT_ONCE], first):
            request = (
                f"GET /case/live HTTP/1.1\r\nHost: {server.netloc}\r\nCookie: {cookie}\r\nAccept-Language: zh-CN\r\n"
                "Sec-Fetch-Site: same-origin\r\n\r\n"
            ).encode()
            _, page = await loop.create_connection(
                lambda request=request: _Page(request),  # type: ignore[misc]
                server.hostname,
                server.port,
                local_addr=(f"127.0.{1 + number // 250}.{1 + number % 250}", 0),
            )
            group.append(page)
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*(page.opened for page in group))
        pages += group
    return pages
