"""Each leg in a process of its own, legs alternating in rounds.

A shared machine's speed drifts by a factor of two within minutes: only ratios within a round mean something.
"""

import asyncio
import gc
import logging
import multiprocessing
import resource
import signal
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final, TypeVar

import psutil
import structlog
import uvloop

T = TypeVar("T")
LEG_LIMIT_S: Final = 600.0
_POLL_S: Final = 0.005
_fork: Final = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Leg:
    """`database_s`: CPU of the database's sessions, 0 when the server is elsewhere."""

    events: int
    took_s: float
    cpu_s: float
    database_s: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.took_s

    @property
    def cpu_us(self) -> float:
        """Python, µs an event."""
        return self.cpu_s * 1e6 / self.events

    @property
    def database_us(self) -> float:
        """PostgreSQL, µs an event."""
        return self.database_s * 1e6 / self.events


def in_subprocess(work: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """In a fork that shares what was prepared here. Raises RuntimeError with what `work` raised."""
    receiver, sender = _fork.Pipe(duplex=False)
    gc.collect()
    gc.freeze()
    process = _fork.Process(target=_leg, args=(sender, work, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(LEG_LIMIT_S):
            raise RuntimeError(f"{work.__name__}: not done after {LEG_LIMIT_S:.0f} s")
        good, result = receiver.recv()
    except EOFError:
        raise RuntimeError(f"{work.__name__}: its process ended without a result") from None
    finally:
        process.join(5)
        process.kill()
        process.join()
        gc.unfreeze()
    if not good:
        raise RuntimeError(f"{work.__name__}: {result}")
    done: T = result
    return done


def _leg(sender: Connection, work: Callable[..., Coroutine[Any, Any, Any]], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        sender.send((True, uvloop.run(work(*arguments))))
    except Exception as error:
        sender.send((False, f"{type(error).__name__}: {error}"))


async def timed(progress: Callable[[], int | Awaitable[int]], total: int, database: str = "") -> Leg:
    """From the first step on, without start-up and first batch. Raises TimeoutError."""
    async with asyncio.timeout(LEG_LIMIT_S):
        first = await _reached(progress, 1)
        started_s, cpu_s, database_s = time.perf_counter(), process_cpu_s(), database_cpu_s(database)
        last = await _reached(progress, total)
        took_s = time.perf_counter() - started_s
        return Leg(last - first, took_s, process_cpu_s() - cpu_s, database_cpu_s(database) - database_s)


async def _reached(progress: Callable[[], int | Awaitable[int]], count: int) -> int:
    while True:
        now = progress()
        reached = now if isinstance(now, int) else await now
        if reached >= count:
            return reached
        await asyncio.sleep(_POLL_S)


async def unless_it_ends(running: "asyncio.Task[Any]", watching: Coroutine[Any, Any, T]) -> T:
    """Raises what ends `running` before `watching`."""
    watch = asyncio.create_task(watching)
    await asyncio.wait({running, watch}, return_when=asyncio.FIRST_COMPLETED)
    if not watch.done():
        watch.cancel()
        running.result()
        raise RuntimeError("what is measured ended too early")
    return await watch


def process_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def database_cpu_s(database: str) -> float:
    """Of all sessions of a database; 0 without a name, or where the server is elsewhere."""
    spent_s = 0.0
    for process in sessions_of(database):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent_s += times.user + times.system
    return spent_s


def sessions_of(database: str) -> list[psutil.Process]:
    """By process titles, which have the database's name."""
    found = []
    for process in psutil.process_iter(["cmdline"]) if database else ():
        title = " ".join(process.info["cmdline"] or ())
        if title.startswith("postgres:") and f" {database} " in title:
            found.append(process)
    return found


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def text(self, unit: str = "", digits: int = 2) -> str:
        """`median (lowest to highest)`."""
        low, high = min(self.values), max(self.values)
        return f"{self.median:,.{digits}f}{unit} ({low:,.{digits}f} to {high:,.{digits}f})"


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table at the end. `processor_us`: of all processes that take part, for one of `what`.

    `ratio`: of `ours` to the limit or peer named by `beside`. `values`: what else a goal may ask for, by a name that
    ends with its unit: `p99 ms`, `rate /s`, `memory MiB`.
    """

    what: str
    processor_us: Spread | None
    ours: str = ""
    beside: str = ""
    ratio: Spread | None = None
    values: Mapping[str, Spread] = field(default_factory=dict)

    def text(self) -> str:
        ratio = self.ratio.text() if self.ratio else ""
        processor = self.processor_us.text(digits=0) if self.processor_us else ""
        return f"{self.what:<40}{self.ours:<34}{self.beside:<34}{ratio:<24}{processor}"


TABLE: Final = f"{'what':<40}{'ours':<34}{'limit or peer':<34}{'ratio':<24}µs of processor each"


def over(rounds: Sequence[T], figure: Callable[[T], float]) -> Spread:
    return Spread(tuple(figure(each) for each in rounds))


COLUMNS: Final = f"{'':<24}{'a second':<32}{'µs each: Python':<26}PostgreSQL"


def row(name: str, rounds: Sequence[T], legs: Callable[[T], Sequence[Leg]]) -> str:
    """Legs of one kind in a round count as their mean."""
    rate = over(rounds, lambda one: statistics.fmean(leg.rate for leg in legs(one)))
    python = over(rounds, lambda one: statistics.fmean(leg.cpu_us for leg in legs(one)))
    database = over(rounds, lambda one: statistics.fmean(leg.database_us for leg in legs(one)))
    return f"{name:<24}{rate.text(digits=0):<32}{python.text(digits=1):<26}{database.text(digits=1)}"


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank; `share` is 0 to 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
