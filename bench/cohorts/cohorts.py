"""The paths that read or write the view, at three sizes of the cohort, each beside its raw statement at the same size.

PostgreSQL itself is slower over a larger table: rows and index are no longer in its memory. So a path is compared with
its own share of the raw limit: (path / limit) of a size by (path / limit) of the smallest. 1 is as good as there, and
what is above 1 comes from what does not grow.

One installation, whose view grows from one size to the next. Nothing else that is measured depends on the view's size.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any, Final, Self

import asyncpg

from bench import events
from bench.cohorts import reads, view
from bench.fixtures import Sandbox, Servers, enrol_clear
from bench.gateway.gateway import PAGE, TWIN
from bench.harness import Figure, Leg, Spread, in_subprocess, over
from bench.projector import projector, projector_legs
from deploy.local.installation import Installation
from deploy.local.servers.kafka import delete_topics
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY
from schemas.topics import Topics
from services.clearance.view.projector import PROJECTOR
from services.kit.provisioning.topics import create_topics

PROJECTED: Final = "projector"
READS: Final = {"page, first read": PAGE, "twin, first read": TWIN}


@dataclass(frozen=True, slots=True)
class Sizes:
    """`students`: each ten times the one before."""

    students: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    count: int = 60_000
    readers: int = 1_000
    raw_reads: int = 10_000


QUICK: Final = Sizes(students=(40, 400, 4_000), count=6_000, readers=10, raw_reads=80)


@dataclass(frozen=True, slots=True)
class Beside:
    """A path, and its raw statement before and after it."""

    ours: Leg
    limits: tuple[Leg, Leg]

    @property
    def limit(self) -> float:
        return fmean(leg.rate for leg in self.limits)

    @property
    def share(self) -> float:
        return self.ours.rate / self.limit

    @property
    def processor_us(self) -> float:
        return self.ours.cpu_us + self.ours.database_us


Rounds = list[dict[str, Beside]]
"""Of one size, by path."""


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    sizes = QUICK if quick else Sizes()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        installation = Installation(Path(folder), postgres=on.postgres, kafka=on.kafka)
        try:
            model = runner.run(_start(installation))
            yield (
                f"{sizes.count:,} events and {sizes.readers:,} first reads at each size; "
                f"{len(installation.departments)} statuses of each student"
            )
            measured: list[tuple[int, Rounds]] = []
            before = 0
            for students in sizes.students:
                began_s = time.monotonic()
                runner.run(_grow(installation, model, before, students))
                yield f"  {students:,} students after {time.monotonic() - began_s:.0f} s"
                reading = _Reads(installation, range(before, students), sizes)
                if not measured:
                    reading.round()  # not counted: the first pages of a process are slow
                found = [reading.round() for _ in range(rounds)]
                with _Projector(on, installation, model, students, sizes.count) as projecting:
                    writing = [projecting.round() for _ in range(rounds)]
                measured.append((students, [one | other for one, other in zip(found, writing, strict=True)]))
                before = students
                yield from _size(*measured[-1])
            yield from report(measured)
        finally:
            runner.run(installation.close())


async def _start(installation: Installation) -> str:
    """The student whose rows everybody gets. Only the gateway goes on."""
    await installation.provision()
    await installation.start(*installation.departments, CLEARANCE, IDENTITY, GATEWAY)
    (model,) = await enrol_clear(installation, 1)
    for service in (*installation.departments, CLEARANCE):
        installation.stop(service)
    await view.prepare(await installation.database(CLEARANCE), model)
    return model


async def _grow(installation: Installation, model: str, first: int, last: int) -> None:
    connection = await installation.connect(CLEARANCE)
    try:
        await view.grow(connection, model, first, last)
    finally:
        await connection.close()


class _Reads:
    """Nobody is read twice by the gateway, which keeps what it has made."""

    def __init__(self, installation: Installation, students: range, sizes: Sizes) -> None:
        self._installation, self._students = installation, students
        self._readers, self._raw_reads = sizes.readers, sizes.raw_reads
        self._unread = iter(random.sample(students, len(students)))

    def round(self) -> dict[str, Beside]:
        raw, found = self._raw(), {}
        for name, path in READS.items():
            chosen = [events.student(number) for number in islice(self._unread, self._readers)]
            if len(chosen) < self._readers:
                raise RuntimeError(f"{len(self._students):,} students are too few for so many rounds")
            ours, after = reads.read(self._installation, path, chosen), self._raw()
            found[name], raw = Beside(ours, (raw, after)), after
        return found

    def _raw(self) -> Leg:
        chosen = [events.student(number) for number in random.choices(self._students, k=self._raw_reads)]
        leg: Leg = in_subprocess(reads.raw, self._installation.database_dsn(CLEARANCE), chosen)
        return leg


class _Projector:
    """Over a topic of its own: the students of a size's events are those of its view."""

    def __init__(self, on: Servers, installation: Installation, model: str, students: int, count: int) -> None:
        topics = Topics(f"{installation.namespace}-{students}")
        self._box = Sandbox(installation.database_dsn(CLEARANCE), on.kafka, topics)
        self._model, self._sizes = model, projector.Sizes(count=count, students=students)

    def __enter__(self) -> Self:
        box = self._box
        asyncio.run(create_topics(box.kafka, box.topics, [events.DEPARTMENT], partitions=projector.PARTITIONS))
        stored = asyncio.run(projector.load(box, self._sizes))
        self._touched = sorted({each.student_id for each in stored})
        self._batches = projector_legs.batches_of(stored)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run(delete_topics(self._box.kafka, self._box.topics.namespace))

    def round(self) -> dict[str, Beside]:
        first = self._leg(projector_legs.limit, self._batches)
        ours = self._leg(projector_legs.ours, self._sizes.count)
        return {PROJECTED: Beside(ours, (first, self._leg(projector_legs.limit, self._batches)))}

    def _leg(self, work: Callable[..., Any], *arguments: Any) -> Leg:
        leg: Leg = in_subprocess(work, self._box, *arguments)
        asyncio.run(self._restore())
        return leg

    async def _restore(self) -> None:
        connection = await asyncpg.connect(self._box.dsn)
        try:
            await view.restore(connection, self._model, self._touched, self._box.topics.group(PROJECTOR))
        finally:
            await connection.close()


def _size(students: int, done: Rounds) -> Iterator[str]:
    yield f"{students:,} students: {'':<16}{'a second':<28}{'raw statement':<28}{'share':<22}µs: process, PostgreSQL"
    for path in done[0]:
        rate = over(done, lambda one, path=path: one[path].ours.rate).text(digits=0)  # type: ignore[misc]
        limit = over(done, lambda one, path=path: one[path].limit).text(digits=0)  # type: ignore[misc]
        share = over(done, lambda one, path=path: one[path].share).text()  # type: ignore[misc]
        python = over(done, lambda one, path=path: one[path].ours.cpu_us).median  # type: ignore[misc]
        database = over(done, lambda one, path=path: one[path].ours.database_us).median  # type: ignore[misc]
        yield f"  {path:<28}{rate:<28}{limit:<28}{share:<22}{python:,.1f}, {database:,.1f}"


def report(measured: Sequence[tuple[int, Rounds]]) -> Iterator[str | Figure]:
    (least, smallest), *others = measured
    for students, done in others:
        times = students // least
        for path in done[0]:
            pairs = list(zip(smallest, done, strict=True))
            ours = Spread(tuple(one[path].ours.rate / small[path].ours.rate for small, one in pairs))
            limit = Spread(tuple(one[path].limit / small[path].limit for small, one in pairs))
            processor = Spread(tuple(one[path].processor_us / small[path].processor_us for small, one in pairs))
            yield (
                f"{path}, {students:,} students to {least:,}: {ours.text()} by rate, its raw statement {limit.text()}; "
                f"processor time {processor.text()}"
            )
            yield Figure(
                f"{path}, cohort x {times}",
                over(done, lambda one, path=path: one[path].processor_us),  # type: ignore[misc]
                f"{over(done, lambda one, path=path: one[path].ours.rate).text('/s', 0)}",  # type: ignore[misc]
                f"its share with {least:,} students",
                Spread(tuple(one[path].share / small[path].share for small, one in pairs)),
            )
