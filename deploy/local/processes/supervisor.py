"""A set of processes kept alive: says which died and its last words, restarts it a few times, stops all in order."""

import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

from rich.console import Console

from deploy.local.processes.process import Process, StartFailed, wait_until

RESTARTS = 5
RESTART_WINDOW_S = 120
LOOK_EVERY_S = 0.3
READY_TIMEOUT_S = 60


class Supervisable(Protocol):
    """What is watched: a `Process`, or a `Part` such as Kafka."""

    name: str

    def start(self) -> object: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def poll(self) -> int | None: ...
    def last_words(self) -> str: ...


@dataclass
class Watched:
    """One process of the set, how it shows that it is ready, and when it was restarted."""

    part: Supervisable
    ready: Callable[[], bool] | None = None
    restarted_at_s: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS))


class GaveUp(RuntimeError):
    """A process died more often than it is restarted; everything else was stopped."""


class Supervisor:
    """Use as `with Supervisor(console) as set: set.add(…); set.watch()`: leaving it stops everything it holds."""

    def __init__(self, console: Console, *, restarts: int = RESTARTS, window_s: float = RESTART_WINDOW_S) -> None:
        self.console = console
        self.restarts = restarts
        self.window_s = window_s
        self._watched: list[Watched] = []
        self._stopping = False
        self._previous_handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Supervisor":
        # A terminal that closes and a `kill` end it in the same good order as Ctrl-C.
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._previous_handlers[number] = signal.signal(number, _interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def add(
        self,
        part: Supervisable,
        *,
        ready: Callable[[], bool] | None = None,
        started: bool = False,
        wait: bool = True,
    ) -> None:
        """Start a part (unless `started` already), wait until it is ready, and watch it from now on.

        Without `wait` the caller waits for several that start side by side; `ready` then counts after a restart only.
        Raises StartFailed. It is stopped with the others in any case.
        """
        self._watched.append(Watched(part, ready))
        if not started:
            part.start()
        if wait:
            self._wait(self._watched[-1])

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Until interrupted or `until()`: restart what dies. Raises GaveUp when one dies too often."""
        while not until():
            for watched in self._watched:
                if (code := watched.part.poll()) is not None:
                    self._restart(watched, code)
            time.sleep(LOOK_EVERY_S)

    def stop_all(self) -> None:
        """Stop everything, the last started first. A second Ctrl-C kills what is left.

        Plain processes are asked all at once and stop side by side, before the servers that they stand on.
        """
        if self._stopping:
            return
        self._stopping = True
        try:
            for watched in reversed(self._watched):
                if isinstance(watched.part, Process):
                    watched.part.ask_to_stop()
            for watched in reversed(self._watched):
                watched.part.stop()
        except KeyboardInterrupt:
            self.console.print("Killing what is left.")
            for watched in reversed(self._watched):
                watched.part.kill()
        self._watched.clear()
        self._stopping = False

    def _restart(self, watched: Watched, code: int) -> None:
        name, now_s = watched.part.name, time.monotonic()
        self.console.print(f"[bold red]{name} ended[/] with {describe(code)}.", end="")
        self.console.print(watched.part.last_words(), markup=False, highlight=False)
        recent = [moment_s for moment_s in watched.restarted_at_s if now_s - moment_s < self.window_s]
        if len(recent) >= self.restarts:
            raise GaveUp(f"{name} ended {len(recent) + 1} times in {self.window_s:g} s: stopping everything.")
        watched.restarted_at_s.append(now_s)
        self.console.print(f"Starting {name} again ({len(recent) + 1} of {self.restarts}).")
        try:
            watched.part.start()
            self._wait(watched)
        except StartFailed as error:
            # Looked at again at the next round; the count of restarts bounds it.
            self.console.print(str(error), markup=False, highlight=False)
        else:
            self.console.print(f"{name} is back.")

    def _wait(self, watched: Watched) -> None:
        if watched.ready is None:
            return
        process = watched.part if isinstance(watched.part, Process) else None
        wait_until(watched.ready, what=watched.part.name, timeout_s=READY_TIMEOUT_S, process=process, poll_s=0.1)


def describe(code: int) -> str:
    """An exit code in words: `code 3`, or `signal SIGKILL`."""
    return f"code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
