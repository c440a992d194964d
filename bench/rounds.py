"""How a measurement is made: every leg in a process of its own, alternating inside rounds, ratios formed inside each.

The speed of a shared machine drifts by a factor of two within minutes, so a rate says little and a ratio of two legs
of one round a good deal.
"""

import asyncio
import gc
import multiprocessing
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final, Generic, TypeVar

import uvloop

T = TypeVar("T")
LEG_LIMIT_S: Final = 600.0
_POLL_S: Final = 0.005
_fork: Final = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Leg:
    """What one leg did: events, in how many seconds, with how much of this process's processor time."""

    events: int
    took_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.took_s

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time of the Python process an event."""
        return self.cpu_s * 1e6 / self.events


def in_a_process(work: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """Run a coroutine in a forked process and return its result. Raises RuntimeError with what it raised.

    What was prepared here is there at once, and the child's garbage collector leaves it alone.
    """
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
    try:
        sender.send((True, uvloop.run(work(*arguments))))
    except Exception as error:
        sender.send((False, f"{type(error).__name__}: {error}"))


async def timed(progress: Callable[[], int | Awaitable[int]], total: int) -> Leg:
    """Watch `progress` up to `total`, from its first step: start-up and the first batch are not counted.

    Raises TimeoutError when `total` is not reached in time.
    """
    async with asyncio.timeout(LEG_LIMIT_S):
        while (first := await _now(progress)) == 0:
            await asyncio.sleep(_POLL_S)
        started_s, cpu_s = time.perf_counter(), own_cpu_s()
        while (last := await _now(progress)) < total:
            await asyncio.sleep(_POLL_S)
        return Leg(last - first, time.perf_counter() - started_s, own_cpu_s() - cpu_s)


async def _now(progress: Callable[[], int | Awaitable[int]]) -> int:
    count = progress()
    return count if isinstance(count, int) else await count


def own_cpu_s() -> float:
    """Processor time of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True, slots=True)
class Spread(Generic[T]):
    """A figure over the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def text(self, unit: str = "", digits: int = 2) -> str:
        """`median (lowest to highest)`."""
        low, high = min(self.values), max(self.values)
        return f"{self.median:,.{digits}f}{unit} ({low:,.{digits}f} to {high:,.{digits}f})"


def over(rounds: Sequence[T], figure: Callable[[T], float]) -> Spread[T]:
    """One figure of every round."""
    return Spread(tuple(figure(each) for each in rounds))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of `values` lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
