"""From the commit at a department's desk to the row in the view, at a fixed rate.

One machine, so one clock. The load is open-loop: each change is sent when due, so that a stall counts for every change
it delayed. Latency ends at `seen`, when a reader, woken by NOTIFY (or after 20 ms), has read this version or a newer
one. It starts at one of:

- due: when the change was to be sent
- commit: `audit.entry.at`, shortly before the desk's commit
- answered: the desk's HTTP answer has arrived

Beside it the barest relay and consumer (bare.py), a round while two processes do nothing but compute, and one in which
each of the students has an open page at a gateway.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import uvloop

from bench.fixtures import Servers
from bench.harness import Figure, Spread, over, percentile
from bench.latency.bare import Bare, commit_to_seen
from bench.latency.desk import DEPARTMENT, Change, Desk, committed_at, due_at
from bench.latency.open_pages import commit_to_page
from bench.processor import LOAD, spent, used
from deploy.local.installation import Installation
from schemas.flows import CLEARANCE
from services.kit.names import VIEW_CHANNEL

R = TypeVar("R")
BUSY: Final = (sys.executable, "-c", "while True: pass")
BUSY_PROCESSES: Final = 2
_POLL_S: Final = 0.02
_ALL_SEEN_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """`changes` a round, `per_s` of them a second, to `students` in turn."""

    changes: int = 1_500
    per_s: float = 100.0
    students: int = 180


QUICK: Final = Sizes(changes=20, per_s=20.0, students=20)


@dataclass(slots=True)
class Round:
    """Seconds of each change. `processor_s`: of all, by process, what they use when idle included."""

    commit_to_seen: list[float]
    answered_to_seen: list[float]
    due_to_seen: list[float]
    due_to_answered: list[float]
    per_s: float
    processor_s: dict[str, float]

    @property
    def processor_us(self) -> float:
        """A change, all services and servers."""
        return sum(spent_s for name, spent_s in self.processor_s.items() if name != LOAD) * 1e6 / len(self.due_to_seen)


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    sizes = QUICK if quick else Sizes()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        installation = Installation(Path(folder), postgres=on.postgres, kafka=on.kafka)
        try:
            students = runner.run(_start(installation, sizes.students))
            yield (
                f"{sizes.changes:,} changes a round at {sizes.per_s:g} a second to {sizes.students} students: library "
                "by HTTP, relay, Kafka, projector; two processes, traces off"
            )
            done, bare = [], []
            for _ in range(rounds):
                done.append(runner.run(_round(installation, students, sizes)))
                bare.append(commit_to_seen(on, changes=sizes.changes, per_s=sizes.per_s, students=sizes.students))
            with _busy():
                beside = runner.run(_round(installation, students, sizes))
            to_page = runner.run(commit_to_page(installation, students, changes=sizes.changes, per_s=sizes.per_s))
        finally:
            runner.run(installation.close())
    yield f"{'ms':<36}{'p50':<32}p99"
    yield _row("commit at the desk -> seen in view", done, lambda one: one.commit_to_seen)
    yield _row("desk's HTTP answer -> seen in view", done, lambda one: one.answered_to_seen)
    yield _row("due -> desk's HTTP answer", done, lambda one: one.due_to_answered)
    yield _row("due -> seen in view", done, lambda one: one.due_to_seen)
    yield _row("bare outbox row -> seen in table", bare, lambda one: one.seconds)
    yield _row(f"commit -> seen, {BUSY_PROCESSES} busy processes", [beside], lambda one: one.commit_to_seen)
    yield (
        f"{'commit -> open page, one round':<36}{percentile(to_page, 0.5) * 1e3:<32.1f}"
        f"{percentile(to_page, 0.99) * 1e3:.1f}"
    )
    yield f"latest beside {BUSY_PROCESSES} busy processes {max(beside.commit_to_seen) * 1e3:.0f} ms"
    yield f"answered: {over(done, lambda one: one.per_s).text(' changes/s', 1)} of {sizes.per_s:g} asked for"
    spent_s = done[-1].processor_s.items()
    each = ", ".join(f"{name} {one_s * 1e3 / sizes.changes:.1f}" for name, one_s in spent_s)
    yield f"ms of processor a change, last round: {each}"
    bare_ms = over(bare, lambda one: one.processor_us / 1e3)
    times = over(list(zip(done, bare, strict=True)), lambda pair: pair[0].processor_us / pair[1].processor_us)
    yield f"of the bare one, both servers included: {bare_ms.text(' ms', 1)}; ours / bare {times.text(digits=1)}"
    yield Figure(
        "a change at a desk",
        over(done, lambda one: one.processor_us),
        f"p99 {over(done, lambda one: percentile(one.commit_to_seen, 0.99) * 1e3).text(' ms', 1)}",
        "bare relay, p99",
        over(list(zip(done, bare, strict=True)), _over_bare),
        {
            "p99 ms": over(done, lambda one: percentile(one.commit_to_seen, 0.99) * 1e3),
            "latest under load ms": Spread((max(beside.commit_to_seen) * 1e3,)),
            "bare ms of processor": bare_ms,
        },
    )
    page_p99 = Spread((percentile(to_page, 0.99) * 1e3,))
    yield Figure("a desk's change on an open page", None, page_p99.text(" ms p99", 1), values={"p99 ms": page_p99})


@contextmanager
def _busy() -> Iterator[None]:
    processes = [subprocess.Popen(BUSY) for _ in range(BUSY_PROCESSES)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _over_bare(pair: tuple[Round, Bare]) -> float:
    ours, bare = pair
    return percentile(ours.commit_to_seen, 0.99) / percentile(bare.seconds, 0.99)


def _row(name: str, done: Sequence[R], of: Callable[[R], list[float]]) -> str:
    p50 = over(done, lambda one: percentile(of(one), 0.5) * 1e3).text(digits=1)
    p99 = over(done, lambda one: percentile(of(one), 0.99) * 1e3).text(digits=1)
    return f"{name:<36}{p50:<32}{p99}"


async def _start(installation: Installation, count: int) -> list[str]:
    await installation.provision()
    await installation.start(DEPARTMENT, CLEARANCE)
    students = [await installation.enrol() for _ in range(count)]
    await installation.opened(DEPARTMENT, students)
    await installation.in_step(DEPARTMENT)
    return students


async def _round(installation: Installation, students: Sequence[str], sizes: Sizes) -> Round:
    seen: dict[Change, float] = {}
    due: dict[Change, float] = {}
    answered: dict[Change, float] = {}
    watching = asyncio.create_task(_watch(installation, seen))
    desk = Desk(installation)
    before = used()
    sending = [
        asyncio.create_task(_change(desk, students[number % len(students)], at, due, answered))
        for number, at in enumerate(due_at(sizes.changes, sizes.per_s))
    ]
    try:
        await asyncio.gather(*sending)
        async with asyncio.timeout(_ALL_SEEN_WITHIN_S):
            while not answered.keys() <= seen.keys():
                await asyncio.wait({watching}, timeout=_POLL_S)
                if watching.done():
                    watching.result()
    finally:
        for task in (watching, *sending):
            task.cancel()
        await asyncio.gather(watching, *sending, return_exceptions=True)
        desk.connections.close()
    processor_s = spent(before)
    committed = await committed_at(installation)
    took_s = max(answered.values()) - min(due.values())
    return Round(
        [seen[change] - committed[change] for change in answered],
        [seen[change] - at for change, at in answered.items()],
        [seen[change] - due[change] for change in answered],
        [at - due[change] for change, at in answered.items()],
        len(answered) / took_s,
        processor_s,
    )


async def _change(
    desk: Desk, student_id: str, at: float, due: dict[Change, float], answered: dict[Change, float]
) -> None:
    await asyncio.sleep(at - time.time())
    change = student_id, await desk.note_violation(student_id)
    due[change], answered[change] = at, time.time()


async def _watch(installation: Installation, seen: dict[Change, float]) -> None:
    """A version that a newer one overtook was seen with it."""
    connection = await installation.connect(CLEARANCE)
    notified = asyncio.Event()

    def wake(*_: Any) -> None:
        notified.set()

    await connection.add_listener(VIEW_CHANNEL, wake)
    known: dict[str, int] = {}
    try:
        while True:
            rows = await _view(connection)
            now = time.time()
            for row in rows:
                student_id, version = row["student_id"], row["version"]
                for newer in range(known.get(student_id, version - 1) + 1, version + 1):
                    seen[student_id, newer] = now
                known[student_id] = version
            with suppress(TimeoutError):
                await asyncio.wait_for(notified.wait(), _POLL_S)
            notified.clear()
    finally:
        connection.terminate()


async def _view(connection: "asyncpg.Connection[Any]") -> list[asyncpg.Record]:
    return await connection.fetch("SELECT student_id, version FROM status WHERE department = $1", DEPARTMENT)
