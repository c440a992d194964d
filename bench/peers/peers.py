"""The projector beside the stream processors that somebody would take instead of it.

A round is ours, each peer, ours: every one reads the whole topic into a table of the same students, and has an update
for each event. Plain FastStream is the peer of the first table of figures, and timed on the first events only.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from bench import events, fixtures
from bench.fixtures import Servers
from bench.harness import COLUMNS, Figure, Leg, in_subprocess, over, row
from bench.peers import legs
from bench.peers.watching import Expected
from bench.projector import plain_faststream, projector, projector_legs
from bench.projector.projector_legs import StoredStatus
from services.clearance.migration_folders import CLEARANCE_FOLDERS

ONE_BY_ONE: Final = "FastStream one by one"
SIZES: Final = projector.Sizes()
QUICK: Final = replace(projector.QUICK, count=30_000)


@dataclass(frozen=True, slots=True)
class Round:
    """`peers`: by name, of those that are installed."""

    ours: tuple[Leg, Leg]
    peers: Mapping[str, Leg]

    @property
    def rate(self) -> float:
        return fmean(leg.rate for leg in self.ours)


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    sizes, names = QUICK if quick else SIZES, legs.installed()
    for missing in (name for name in (*legs.SCRIPTS, legs.FLINK) if name not in names):
        yield f"{missing} is not installed: make bench-peers"
    with fixtures.sandbox(on, CLEARANCE_FOLDERS, [events.DEPARTMENT], projector.PARTITIONS) as sandbox:
        stored = asyncio.run(projector.load(sandbox, sizes))
        asyncio.run(projector.fill(sandbox, sizes.students))
        asyncio.run(legs.prepare(sandbox))
        expected = _expected(stored, sizes.students)
        yield f"{sizes.count:,} events about {sizes.students:,} students, {projector.PARTITIONS} partitions"
        done = []
        for number in range(1, rounds + 1):
            done.append(_round(sandbox, sizes, names, expected))
            rates = (f"{name} {leg.rate:,.0f}/s" for name, leg in done[-1].peers.items())
            yield f"  round {number}: ours {done[-1].rate:,.0f}/s, {', '.join(rates)}"
    yield from _report(done, [ONE_BY_ONE, *names])


def _expected(stored: Sequence[StoredStatus], students: int) -> Expected:
    last = {each.partition: each for each in stored}
    return Expected(students, len(stored), {each.student_id: each.version for each in last.values()})


def _round(sandbox: fixtures.Sandbox, sizes: projector.Sizes, names: Sequence[str], expected: Expected) -> Round:
    def ours() -> Leg:
        asyncio.run(projector.reset(sandbox))
        measured: Leg = in_subprocess(projector_legs.ours, sandbox, sizes.count)
        return measured

    first = ours()
    asyncio.run(projector.reset(sandbox))
    peers = {ONE_BY_ONE: in_subprocess(plain_faststream.one_by_one, sandbox, sizes.one_by_one)}
    for name in names:
        peers[name] = in_subprocess(legs.leg, sandbox, name, expected)
    return Round((first, ours()), peers)


def _report(done: Sequence[Round], names: Sequence[str]) -> Iterator[str | Figure]:
    yield COLUMNS.replace("Python", "process")
    yield row("projector", done, lambda one: one.ours)
    for name in names:
        yield row(name, done, lambda one, name=name: [one.peers[name]])  # type: ignore[misc]
    for name in names:
        yield Figure(
            f"projector beside {name}",
            None,
            over(done, lambda one: one.rate).text("/s", 0),
            over(done, lambda one, name=name: one.peers[name].rate).text("/s", 0),  # type: ignore[misc]
            over(done, lambda one, name=name: one.rate / one.peers[name].rate),  # type: ignore[misc]
        )
