"""A file of 20,000 rows sent to a department's service over HTTP, until its last row is done.

By a real process over a real database. Three times: students who are new, the same rows again, and the same students
with another debt each.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import uvloop

from bench.fixtures import Servers
from bench.harness import Figure, database_cpu_s, over
from deploy.local.installation import Installation

DEPARTMENT: Final = "library"
_POLL_S: Final = 0.05
_DONE_WITHIN_S: Final = 300.0
_COLUMNS: Final = "student_id,card,thesis,loan_barcode,loan_title,loan_due_on,fine_id,fine_amount,fine_paid"


@dataclass(frozen=True, slots=True)
class Sizes:
    rows: int = 20_000


QUICK: Final = Sizes(rows=200)


@dataclass(frozen=True, slots=True)
class Import:
    """CPU in seconds; `memory_mib`: the most that the process held, above what it held before."""

    rows: int
    took_s: float
    cpu_s: float
    database_s: float
    memory_mib: float


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    sizes = QUICK if quick else Sizes()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        installation = Installation(Path(folder), postgres=on.postgres, kafka=on.kafka)
        try:
            runner.run(_start(installation))
            yield f"{sizes.rows:,} rows of as many students, sent to the library by HTTP, until the last is done"
            done = [runner.run(_round(installation, sizes, number)) for number in range(rounds)]
        finally:
            runner.run(installation.close())
    yield f"{'':<24}{'rows a second':<30}{'µs a row: Python':<26}{'PostgreSQL':<26}MiB"
    for name in done[0]:
        legs = [one[name] for one in done]
        yield (
            f"{name:<24}{over(legs, lambda leg: leg.rows / leg.took_s).text(digits=0):<30}"
            f"{over(legs, lambda leg: leg.cpu_s * 1e6 / leg.rows).text(digits=0):<26}"
            f"{over(legs, lambda leg: leg.database_s * 1e6 / leg.rows).text(digits=0):<26}"
            f"{over(legs, lambda leg: leg.memory_mib).text(digits=0)}"
        )
    new = [one["new students"] for one in done]
    rate = over(new, lambda leg: leg.rows / leg.took_s)
    memory = over(new, lambda leg: leg.memory_mib)
    yield Figure(
        "a row of an import",
        over(new, lambda leg: (leg.cpu_s + leg.database_s) * 1e6 / leg.rows),
        rate.text("/s", 0),
        values={"rate /s": rate, "memory MiB": memory},
    )


async def _start(installation: Installation) -> None:
    await installation.provision()
    await installation.start(DEPARTMENT)


async def _round(installation: Installation, sizes: Sizes, number: int) -> dict[str, Import]:
    new = _file(sizes.rows, number, amount=3)
    return {
        "new students": await _import(installation, new, sizes),
        "nothing changed": await _import(installation, new, sizes),
        "another debt each": await _import(installation, _file(sizes.rows, number, amount=4), sizes),
    }


def _file(rows: int, number: int, *, amount: int) -> bytes:
    loan = "矿山压力与岩层控制,2026-06-20"
    lines = (
        f"IM{number:03d}{row:06d},cancelled,approved,B{row:07d},{loan},F-{row},{amount}.50," for row in range(rows)
    )
    return "\n".join((_COLUMNS, *lines)).encode()


async def _import(installation: Installation, content: bytes, sizes: Sizes) -> Import:
    database = await (await installation.database(DEPARTMENT)).fetchval("SELECT current_database()")
    client, process = installation.client(DEPARTMENT), psutil.Process(_pid(installation))
    memory_before, cpu_before, database_before = process.memory_info().rss, _cpu_s(process), database_cpu_s(database)
    peak, started_s = memory_before, time.perf_counter()
    sending = asyncio.create_task(client.post("/imports", content=content, headers={"Content-Type": "text/csv"}))
    async with asyncio.timeout(_DONE_WITHIN_S):
        state, job = "", ""
        while state != "done":
            peak = max(peak, process.memory_info().rss)
            await asyncio.wait({sending}, timeout=_POLL_S)
            if sending.done():
                await asyncio.sleep(_POLL_S)
                job = job or sending.result().raise_for_status().headers["Location"]
                state = (await client.get(job)).raise_for_status().json()["state"]
    answer = (await client.get(job)).json()
    if answer["rejected"] or answer["applied"] + answer["unchanged"] != sizes.rows:
        raise RuntimeError(f"not every row was applied or unchanged: {answer}")
    return Import(
        sizes.rows,
        time.perf_counter() - started_s,
        _cpu_s(process) - cpu_before,
        database_cpu_s(database) - database_before,
        (peak - memory_before) / 2**20,
    )


def _pid(installation: Installation) -> int:
    pid = installation.processes[DEPARTMENT].pid
    assert pid is not None
    return pid


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
