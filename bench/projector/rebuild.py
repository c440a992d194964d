"""The view made anew from its topic, beside the projector that filled it: both begin with nothing, on the same records.

A rebuild ends with its comparison: until then nobody may switch to it. A view that differs is an error here.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import asyncpg
import psutil

from bench import events, fixtures
from bench.fixtures import Sandbox, Servers
from bench.harness import COLUMNS, Figure, Leg, in_subprocess, over, process_cpu_s, row, sessions_of
from bench.projector import projector, projector_legs
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.clearance.view.projector import PROJECTOR, status_topics
from services.clearance.view.rebuilding import rebuild
from services.kit.runtime.gc_tuning import tune_gc

SIZES: Final = projector.Sizes()
QUICK: Final = projector.QUICK
_LOOK_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Without start-up and first batch. `folded_s`: until the last record was folded, before the comparison."""

    leg: Leg
    folded_s: float
    view_hash: str
    rows: int


@dataclass(frozen=True, slots=True)
class Round:
    incremental: Leg
    rebuilt: Rebuilt


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    sizes = QUICK if quick else SIZES
    with fixtures.sandbox(on, CLEARANCE_FOLDERS, [events.DEPARTMENT], projector.PARTITIONS) as sandbox:
        asyncio.run(projector.load(sandbox, sizes))
        yield f"{sizes.count:,} records about {sizes.students:,} students into an empty view"
        done = [_round(sandbox, sizes.count) for _ in range(rounds)]
    yield COLUMNS
    yield row("projector", done, lambda one: [one.incremental])
    yield row("rebuild, with comparison", done, lambda one: [one.rebuilt.leg])
    yield f"until the last record is folded: {over(done, _folding_rate).text('/s', 0)}"
    newest = done[-1].rebuilt
    yield f"equal by their hash in each round: {newest.rows:,} rows, {newest.view_hash[:16]}…"
    ratio = over(done, lambda one: one.rebuilt.leg.rate / one.incremental.rate)
    yield f"rebuild / projector: {ratio.text()}"
    rate = over(done, lambda one: one.rebuilt.leg.rate)
    processor = over(done, lambda one: one.rebuilt.leg.cpu_us + one.rebuilt.leg.database_us)
    yield Figure("an event of a rebuild", processor, rate.text("/s", 0), "projector", ratio)


def _folding_rate(one: Round) -> float:
    return one.rebuilt.leg.events / one.rebuilt.folded_s


def _round(sandbox: Sandbox, count: int) -> Round:
    asyncio.run(_empty(sandbox))
    incremental: Leg = in_subprocess(projector_legs.ours, sandbox, count)
    rebuilt: Rebuilt = in_subprocess(_rebuild, sandbox, count)
    return Round(incremental, rebuilt)


async def _empty(sandbox: Sandbox) -> None:
    connection = await asyncpg.connect(sandbox.dsn)
    try:
        await connection.execute("TRUNCATE status, consumer_offset, dead_letter")
        await connection.execute("VACUUM ANALYZE status, open_status")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _rebuild(sandbox: Sandbox, count: int) -> Rebuilt:
    """Raises RuntimeError when the views differ, or not every record was folded."""
    tune_gc()
    steps: list[tuple[int, float]] = []
    begun = [0.0, 0.0]
    session = _Session(sandbox.database)

    def progress(done: int, of: int) -> None:
        if not steps:
            begun[:] = process_cpu_s(), session.found()
        steps.append((done, time.perf_counter()))

    watching = asyncio.create_task(session.watch())
    try:
        compared = await rebuild.rebuild(
            sandbox.dsn,
            kafka=sandbox.kafka,
            group=sandbox.topics.group(PROJECTOR),
            topics=status_topics(sandbox.topics, [events.DEPARTMENT]),
            switch=False,
            progress=progress,
        )
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    ended_s, cpu_s = time.perf_counter(), process_cpu_s()
    if not compared.equal or compared.records != count or not compared.rebuilt_rows:
        raise RuntimeError(f"the rebuilt view is another: {compared}")
    (first, started_s), (_, folded_s) = steps[0], steps[-1]
    leg = Leg(count - first, ended_s - started_s, cpu_s - begun[0], session.cpu_s - begun[1])
    return Rebuilt(leg, folded_s - started_s, compared.rebuilt_hash, compared.rebuilt_rows)


class _Session:
    """CPU of the rebuild's session, which is gone when the rebuild is: so it is looked at all the time."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._processes: Sequence[psutil.Process] = ()
        self.cpu_s = 0.0

    def found(self) -> float:
        self._processes = sessions_of(self._database)
        self._look()
        return self.cpu_s

    async def watch(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(_LOOK_EVERY_S)

    def _look(self) -> None:
        with suppress(psutil.NoSuchProcess):
            times = [each.cpu_times() for each in self._processes]
            self.cpu_s = sum(each.user + each.system for each in times)
