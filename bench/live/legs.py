"""What the client of a round does: opens the streams, writes changes, and looks at the server's process meanwhile."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import asyncpg
import psutil

from bench import events
from bench.harness import database_cpu_s
from bench.live.clients import StreamClient, close, open_streams
from bench.live.limit import STREAM, TELL
from schemas.events import StatusChanged
from schemas.status_fast import decode_status
from services.clearance.view.records import open_codes
from services.clearance.view.rows import Row
from services.clearance.view.view_store import apply_rows

T = TypeVar("T")
PATH: Final = "/case/live"
WARM: Final = 50
SETTLE_S: Final = 6.0
ALL_WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """`changes` one by one, `per_s` of them a second."""

    clients: int = 5_000
    changes: int = 1_000
    per_s: float = 50.0
    idle_s: float = 15.0


QUICK: Final = Sizes(clients=30, changes=10, per_s=20.0, idle_s=1.0)


@dataclass(frozen=True, slots=True)
class Pushes:
    """`ms` of each page from its commit; processor µs of the gateway and of PostgreSQL, each page."""

    ms: list[float]
    python_us: float
    database_us: float


@dataclass(frozen=True, slots=True)
class Held:
    """Of one stream: KiB of memory, processor µs to open it, and a second while nothing happens."""

    kib: float
    pss_kib: float
    open_us: float
    idle_us: float
    idle_database_us: float


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and the databases that work for it."""

    address: str
    pid: int
    databases: tuple[str, ...] = ()

    def cpu_s(self) -> tuple[float, float]:
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system, sum(map(database_cpu_s, self.databases))

    def kib(self) -> tuple[float, float]:
        memory = psutil.Process(self.pid).memory_full_info()
        return memory.rss / 1024, memory.pss / 1024


async def ours(
    target: Target, cookies: Sequence[str], dsn: str, sizes: Sizes, number: int
) -> tuple[Held, Pushes, Pushes]:
    clients, held = await _held(target, PATH, cookies, sizes)
    changes = _changes(sizes, number)
    async with asyncpg.create_pool(dsn, min_size=2, max_size=2) as pool:
        single = await _singly(target, pool, clients, changes[: sizes.changes], sizes, held)
        rush = await _at_once(target, pool, clients, changes[sizes.changes :])
    close(clients)
    return held, single, rush


async def _held(target: Target, path: str, cookies: Sequence[str], sizes: Sizes) -> tuple[list[StreamClient], Held]:
    close(await open_streams(target.address, path, cookies[:WARM]))
    await asyncio.sleep(1)
    kib, cpu_s = target.kib(), target.cpu_s()
    clients = await open_streams(target.address, path, cookies)
    opened_s = target.cpu_s()
    await asyncio.sleep(min(SETTLE_S, 2 * sizes.idle_s))
    grown = [after - before for after, before in zip(target.kib(), kib, strict=True)]
    idle_s = target.cpu_s()
    await asyncio.sleep(sizes.idle_s)
    spent = [after - before for after, before in zip(target.cpu_s(), idle_s, strict=True)]
    count = len(clients)
    return clients, Held(
        grown[0] / count,
        grown[1] / count,
        (opened_s[0] - cpu_s[0]) * 1e6 / count,
        *(seconds * 1e6 / count / sizes.idle_s for seconds in spent),
    )


async def _singly(
    target: Target,
    pool: "asyncpg.Pool[Any]",
    clients: Sequence[StreamClient],
    changes: Sequence[Row],
    sizes: Sizes,
    held: Held,
) -> Pushes:
    """Processor time above that of the streams at rest."""
    before, started = target.cpu_s(), time.time()
    waits = []
    for number, row in enumerate(changes):
        await asyncio.sleep(started + number / sizes.per_s - time.time())
        waits.append(asyncio.create_task(_change(pool, clients[int(row.student_id[2:])], row)))
    ms = await _all(waits, "changes shown")
    took_s = time.time() - started
    rest = [us * took_s * len(clients) / 1e6 for us in (held.idle_us, held.idle_database_us)]
    spent = [after - earlier - at_rest for after, earlier, at_rest in zip(target.cpu_s(), before, rest, strict=True)]
    return Pushes(ms, *(seconds * 1e6 / len(changes) for seconds in spent))


async def _change(pool: "asyncpg.Pool[Any]", client: StreamClient, row: Row) -> float:
    """Milliseconds from its commit to the page."""
    shown = client.shown
    committed = await _apply(pool, [row])
    await client.until_shown(shown + 1)
    return (client.shown_at - committed) * 1e3


async def _apply(pool: "asyncpg.Pool[Any]", rows: Sequence[Row]) -> float:
    """When the commit was sent."""
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await apply_rows(connection, rows, now=datetime.now(UTC))
        committed = time.time()
        await transaction.commit()
        return committed


async def _at_once(
    target: Target, pool: "asyncpg.Pool[Any]", clients: Sequence[StreamClient], changes: Sequence[Row]
) -> Pushes:
    before, shown = target.cpu_s(), [client.shown for client in clients]
    committed = await _apply(pool, changes)
    return await _told(target, clients, shown, committed, before)


async def _told(
    target: Target, clients: Sequence[StreamClient], shown: Sequence[int], since: float, before: tuple[float, float]
) -> Pushes:
    told = (client.until_shown(count + 1) for client, count in zip(clients, shown, strict=True))
    await _all([asyncio.create_task(one) for one in told], "streams told")
    spent = [after - earlier for after, earlier in zip(target.cpu_s(), before, strict=True)]
    ms = [(client.shown_at - since) * 1e3 for client in clients]
    return Pushes(ms, *(seconds * 1e6 / len(clients) for seconds in spent))


async def _all(tasks: Sequence["asyncio.Task[T]"], what: str) -> list[T]:
    """Raises RuntimeError unless all are done in time."""
    done, late = await asyncio.wait(tasks, timeout=ALL_WITHIN_S)
    if late:
        raise RuntimeError(f"{len(done)} of {len(tasks)} {what} within {ALL_WITHIN_S:.0f} s")
    return [task.result() for task in tasks]


def _changes(sizes: Sizes, number: int) -> list[Row]:
    """In turn, then of everybody once more; of a later round with higher versions."""
    count = sizes.changes + sizes.clients
    drawn = itertools.islice(events.statuses(count, sizes.clients, seed=number), count)
    versions = [1 + number * (2 + sizes.changes // sizes.clients)] * sizes.clients
    rows = []
    for turn, event in enumerate(drawn):
        # Far from each other: one student is not changed again before the page has come.
        index = (turn - sizes.changes if turn >= sizes.changes else turn * 7) % sizes.clients
        versions[index] += 1
        rows.append(_row(events.status(index, versions[index], event.checks, event.occurred_at), turn))
    return rows[: sizes.changes] + sorted(rows[sizes.changes :], key=lambda row: row.key)


def _row(event: StatusChanged, offset: int) -> Row:
    text = event.model_dump_json().encode()
    at = event.occurred_at.isoformat()
    codes = open_codes(decode_status(text))
    return Row(event.student_id, event.department, 0, event.version, offset + 1, at, text, open_codes=codes)


async def bare(target: Target, sizes: Sizes) -> tuple[Held, Pushes]:
    clients, held = await _held(target, STREAM, [""] * sizes.clients, sizes)
    before, shown, since = target.cpu_s(), [client.shown for client in clients], time.time()
    server = urlsplit(target.address)
    _, writer = await asyncio.open_connection(server.hostname, server.port)
    writer.write(f"GET {TELL} HTTP/1.1\r\nHost: {server.netloc}\r\n\r\n".encode())
    told = await _told(target, clients, shown, since, before)
    writer.close()
    close(clients)
    return held, told
