"""A child process with its output in a log file.

It leads a process group, so that Ctrl-C reaches only the launcher, which stops its children in order. On Linux the
kernel signals it when the launcher dies.
"""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import IO, ClassVar, Final, Protocol, Self

import psutil

POLL_S = 0.05
PAUSE_TIMEOUT_S = 10
PROBE_TIMEOUT_S = 4
READY_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30
LOG_LIMIT_BYTES = 32 * 1024 * 1024
PR_SET_PDEATHSIG = 1
DIRECTLY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy of the environment does not know this machine's loopback."""


class StartFailed(RuntimeError):
    """The text names the process, cause, last lines and, where known, the remedy."""


class Child(Protocol):
    """What of `subprocess.Popen` is used here. Its pid is that of a group of its own."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...


@dataclass(eq=False)
class Process:
    """Output is appended to `log`. `user`: to become (root only). `ready`: a probe."""

    serves_others: ClassVar = False
    """Whether it stops after the processes that depend on it."""

    name: str
    command: Sequence[str | Path]
    _: KW_ONLY
    log: Path
    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    ready: Callable[[], bool] = lambda: True
    _child: Child | None = field(default=None, init=False)
    _stop_requested: bool = field(default=False, init=False)  # some programs take a second request for "at once"

    @property
    def pid(self) -> int | None:
        """None unless it runs."""
        return self._child.pid if self._child is not None and self.poll() is None else None

    def start(self) -> Self:
        """Without waiting. Raises StartFailed when the program cannot be executed."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self._child = self._launched(output)
        self._stop_requested = False
        return self

    def _launched(self, output: IO[bytes]) -> Child:
        try:
            return subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(self.stop_signal),
                user=self.user,
                group=pwd.getpwnam(self.user).pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
            )
        except OSError as error:
            raise StartFailed(f"{self.name}: {self.command[0]} cannot be executed ({error}).") from error

    def wait_until(self, reached: Callable[[], bool], timeout_s: float, state: str = "ready") -> None:
        """Raises StartFailed at the deadline, or as soon as it has exited without having `reached` the state."""
        deadline = time.monotonic() + timeout_s
        while True:
            code = self.poll()
            if reached():
                return
            if code is not None:
                raise StartFailed(f"{self.name} exited with {describe_exit(code)}.{self.last_lines()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name}: not {state} after {timeout_s:g} s.{self.last_lines()}")
            time.sleep(POLL_S)  # A probe has no event to wait for, and `Popen.wait` with a timeout polls too.

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """Kills it at the timeout, raising StartFailed, and when interrupted."""
        try:
            self.wait_until(self.ready, timeout_s)
        except BaseException:
            self.kill()
            raise
        return self

    def run(self, timeout_s: float) -> None:
        """Raises StartFailed when it fails or takes longer."""
        try:
            self.start().wait_until(lambda: self.poll() == 0, timeout_s, "finished")
        finally:
            self.kill()

    def poll(self) -> int | None:
        """Exit code; None while it runs or before it was started."""
        return self._child.poll() if self._child is not None else None

    def request_stop(self) -> None:
        """Without waiting, so that processes shut down side by side."""
        if self._child is not None and self.poll() is None and not self._stop_requested:
            self.resume()
            self._child.send_signal(self.stop_signal)
            self._stop_requested = True

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Kills the group at the timeout. Idempotent."""
        if self._child is not None:
            self.request_stop()
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout_s)
            self.kill()

    def kill(self) -> None:
        """With its group and descendants (PostgreSQL's sessions lead groups of their own), as at a loss of power."""
        if self._child is not None:
            descendants: list[psutil.Process] = []
            with suppress(psutil.Error):
                descendants = psutil.Process(self.pid).children(recursive=True) if self.pid else []
            self._signal(signal.SIGKILL)
            for one in descendants:
                with suppress(psutil.Error):
                    one.kill()
            self._child.wait()
            psutil.wait_procs(descendants, timeout=5)

    def pause(self) -> None:
        """SIGSTOP; returns when every thread has stopped."""
        self._signal(signal.SIGSTOP)
        self.wait_until(self._is_stopped, PAUSE_TIMEOUT_S, "paused")

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None, f"{self.name} was not started"
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)

    def _is_stopped(self) -> bool:
        # Every thread: on a busy machine some run on for a while after SIGSTOP.
        threads = Path(f"/proc/{self.pid}/task")
        if not threads.exists():
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)
        # The state follows the name, which is in brackets and may hold anything.
        return all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T" for thread in threads.iterdir())

    def tail(self, lines: int = 15) -> str:
        with suppress(FileNotFoundError), self.log.open(errors="replace") as file:
            return "".join(deque(file, lines)).rstrip()
        return ""

    def last_lines(self) -> str:
        return f" Last lines of {self.log}:\n{self.tail() or '(empty)'}"


def describe_exit(code: int) -> str:
    """`code 3`, or `signal SIGKILL`."""
    return f"code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def answers_ok(url: str) -> bool:
    """Whether HTTP is answered with 200."""
    try:
        with DIRECTLY.open(url, timeout=PROBE_TIMEOUT_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """For a child to call first: the kernel then sends it `number` when this process dies. None on other systems."""
    # The kernel watches the thread that forked, so a thread that ends before the launcher must not ask for this.
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        return None
    # Looked up before the fork: after it, the child of a threaded program may call very little.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    launcher = os.getpid()

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != launcher:  # it died in between
            os._exit(1)

    return prepare
