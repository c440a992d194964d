"""Keeps processes running: reports an exit, restarts a few times, stops all in order."""

import errno
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from rich.console import Console

from deploy.local.processes.process import Process, StartFailed, describe_exit
from deploy.local.processes.state_folder import StateInUse

RESTARTS = 5
RESTART_WINDOW_S = 120
POLL_S = 0.3
_NO_PLACE: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOSPC, errno.EDQUOT)


class GaveUp(RuntimeError):
    """A process exited too often."""


class Supervisor(AbstractContextManager["Supervisor"]):
    """Leaving it stops everything."""

    def __init__(self, console: Console, *, restarts: int = RESTARTS) -> None:
        self.console = console
        self.restarts = restarts
        self._restarts_s: dict[Process, deque[float]] = {}

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    def add(self, process: Process) -> None:
        """The caller starts it, before or after."""
        self._restarts_s[process] = deque()

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Until interrupted or `until()`. Raises GaveUp."""
        while not until():
            for process in self._restarts_s:
                if (code := process.poll()) is not None:
                    self._restart(process, code)
            time.sleep(POLL_S)  # `os.wait`, for any child, has no timeout and takes the exit code from Popen.

    def stop_all(self) -> None:
        """Services side by side, then servers. A second Ctrl-C kills what is left."""
        newest_first = list(reversed(self._restarts_s))
        try:
            for process in newest_first:
                if not process.serves_others:
                    process.request_stop()
            for process in newest_first:
                process.stop()
        except KeyboardInterrupt:
            self.console.print("Killing what is left.")
            for process in newest_first:
                process.kill()
        self._restarts_s.clear()

    def _restart(self, process: Process, code: int) -> None:
        name, restarts_s, now_s = process.name, self._restarts_s[process], time.monotonic()
        self.console.print(f"[bold red]{name} exited[/] with {describe_exit(code)}.", end="")
        self.console.print(process.last_lines(), markup=False, highlight=False)
        while restarts_s and now_s - restarts_s[0] > RESTART_WINDOW_S:
            restarts_s.popleft()
        if len(restarts_s) >= self.restarts:
            raise GaveUp(f"{name} exited {len(restarts_s) + 1} times in {RESTART_WINDOW_S} s: stopping everything.")
        restarts_s.append(now_s)
        self.console.print(f"Restarting {name} ({len(restarts_s)} of {self.restarts}).")
        try:
            process.start().wait_ready()
        except StartFailed as error:
            # The next poll finds it exited again; the number of restarts bounds this.
            self.console.print(str(error), markup=False, highlight=False)
        else:
            self.console.print(f"{name} is back.")


@contextmanager
def ends_reported(console: Console) -> Iterator[None]:
    """A message and exit code 1 for an error its user can act on. SIGTERM and SIGHUP end it as Ctrl-C does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell's `&` would have SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
    except (StartFailed, StateInUse, GaveUp) as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in _NO_PLACE or error.filename is None:
            raise
        hint = f"{error.filename}: {error.strerror}. LIXIAO_STATE=/some/folder keeps the state elsewhere."
        console.print(hint, style="red", markup=False, highlight=False)
        raise SystemExit(1) from None
