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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import psutil

POLL_S = 0.05
PAUSE_TIMEOUT_S = 10
TAIL_BYTES = 65_536
LOG_LIMIT_BYTES = 32 * 1024 * 1024
PR_SET_PDEATHSIG = 1


class StartFailed(RuntimeError):
    """The text names the process, cause, last lines and, where known, the remedy."""


def wait_until(
    ready: Callable[[], bool], *, what: str, timeout_s: float, process: "Process | None" = None, poll_s: float = POLL_S
) -> None:
    """Raises StartFailed at the deadline, or as soon as `process` has exited."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if process is not None and (code := process.poll()) is not None:
            raise StartFailed(f"{what} exited with {describe_exit(code)}.{process.last_lines()}")
        if time.monotonic() > deadline:
            raise StartFailed(f"{what}: not ready after {timeout_s:g} s.{process.last_lines() if process else ''}")
        time.sleep(poll_s)


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
    ready: Callable[[], bool] | None = None
    _child: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _stop_requested: bool = field(default=False, init=False)  # some programs take a second request for "at once"

    @property
    def pid(self) -> int | None:
        """None unless it runs."""
        return self._child.pid if self._child is not None and self.poll() is None else None

    def start(self) -> Self:
        """Raises StartFailed when the program cannot be executed."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            try:
                self._child = subprocess.Popen(
                    self.command,
                    cwd=self.cwd,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_die_with_parent(self.stop_signal),
                    user=self.user,
                    group=pwd.getpwnam(self.user).pw_gid if self.user else None,
                    extra_groups=[] if self.user else None,
                )
            except OSError as error:
                raise StartFailed(f"{self.name}: {self.command[0]} cannot be executed ({error}).") from error
        self._stop_requested = False
        return self

    def wait_ready(self, timeout_s: float) -> None:
        """Raises StartFailed."""
        if self.ready:
            wait_until(self.ready, what=self.name, timeout_s=timeout_s, process=self)

    def run(self, timeout_s: float) -> None:
        """Raises StartFailed when it fails or takes longer."""
        self.start()
        try:
            wait_until(lambda: self.poll() is not None, what=self.name, timeout_s=timeout_s)
            if code := self.poll():
                raise StartFailed(f"{self.name} exited with {describe_exit(code)}.{self.last_lines()}")
        finally:
            self.kill()

    def poll(self) -> int | None:
        """Exit code; None while it runs or before it was started."""
        return self._child.poll() if self._child is not None else None

    def request_stop(self) -> None:
        """Without waiting, so that processes shut down side by side."""
        if self._child is not None and self.poll() is None and not self._stop_requested:
            self._signal(signal.SIGCONT)
            self._child.send_signal(self.stop_signal)
            self._stop_requested = True

    def stop(self, timeout_s: float = 20) -> None:
        """Kills the group at the timeout. Idempotent."""
        if self._child is None:
            return
        self.request_stop()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """The group; returns when the child is gone."""
        if self._child is not None:
            self._signal(signal.SIGKILL)
            self._child.wait()

    def pause(self) -> None:
        """SIGSTOP; returns when every thread has stopped."""
        self._signal(signal.SIGSTOP)
        assert self._child is not None
        pid = self._child.pid
        wait_until(lambda: is_stopped(pid), what=f"pausing {self.name}", timeout_s=PAUSE_TIMEOUT_S, poll_s=0.01)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None, f"{self.name} was not started"
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)

    def tail(self, lines: int = 15) -> str:
        with suppress(FileNotFoundError), self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        return ""

    def last_lines(self) -> str:
        return f" Last lines of {self.log}:\n{self.tail() or '(empty)'}"


def describe_exit(code: int) -> str:
    """`code 3`, or `signal SIGKILL`."""
    return f"code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def is_stopped(pid: int) -> bool:
    """Every thread: on a busy machine some run on for a while after SIGSTOP."""
    threads = Path(f"/proc/{pid}/task")
    if not threads.exists():
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    # The state follows the name, which is in brackets and may hold anything.
    return all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T" for thread in threads.iterdir())


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
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
