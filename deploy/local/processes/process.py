"""A child process with its log in a file, and waiting for it with a deadline.

A child gets a process group of its own, so that Ctrl-C reaches the launcher alone and the launcher stops its parts in
order; and on Linux the kernel signals the child when the launcher dies, so that no kill of the launcher leaves one.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

POLL_S = 0.05
PAUSE_TIMEOUT_S = 10
TAIL_BYTES = 65_536
LOG_LIMIT_BYTES = 32 * 1024 * 1024
PR_SET_PDEATHSIG = 1


class StartFailed(RuntimeError):
    """A part did not start: the text names it, says why, shows its last lines and the remedy where one is known."""


def wait_until(
    ready: Callable[[], bool], *, what: str, timeout_s: float, process: "Process | None" = None, poll_s: float = POLL_S
) -> None:
    """Poll `ready` until it is true. Raises StartFailed at the deadline, or at once when `process` has ended."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if process is not None and (code := process.poll()) is not None:
            raise StartFailed(f"{what}: the process ended with code {code}.{process.last_words()}")
        if time.monotonic() > deadline:
            raise StartFailed(f"{what}: not ready after {timeout_s:g} s.{process.last_words() if process else ''}")
        time.sleep(poll_s)


class Process:
    """One child process in its own group, its output in a log file, its id in a file beside it while it lives."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """`user` is whom to become (only as root); `stop_signal` is what asks this program to end in good order."""
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.cwd = cwd
        self.env = dict(env) if env is not None else None
        self.user = user
        self.stop_signal = stop_signal
        self._child: subprocess.Popen[bytes] | None = None
        self._asked = False  # a second request means "at once" to some programs

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid if self._child is not None and self.poll() is None else None

    @property
    def note(self) -> Path:
        """Where the process id is written, for a later `clean` to find what an earlier launcher left."""
        return self.log.with_suffix(".pid")

    def start(self) -> None:
        """Start the child. Raises StartFailed when the program cannot be executed."""
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
                    group=_group_of(self.user),
                    extra_groups=[] if self.user else None,
                )
            except OSError as error:
                raise StartFailed(f"{self.name}: {self.command[0]} cannot be executed ({error}).") from error
        self._asked = False
        write_note(self.note, self._child.pid, self.stop_signal)

    def poll(self) -> int | None:
        """Exit code, or None while it runs (or before it was started)."""
        return self._child.poll() if self._child is not None else None

    def ask_to_stop(self) -> None:
        """Ask it to end, without waiting: several that are asked end side by side. `stop` then waits."""
        if self._child is not None and self.poll() is None:
            self._signal(signal.SIGCONT)
            self._signal(self.stop_signal, group=False)
            self._asked = True

    def stop(self, timeout_s: float = 20) -> None:
        """Ask it to end, wait, and kill the group if it has not ended by then. Stopping twice does nothing."""
        if self._child is None:
            return
        if not self._asked:
            self.ask_to_stop()
        if self.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole group, and wait until the child is gone."""
        if self._child is None:
            return
        self._signal(signal.SIGKILL)
        self._child.wait()
        self.note.unlink(missing_ok=True)

    def pause(self) -> None:
        """SIGSTOP, and wait until it stands still: the process is there and answers nothing."""
        self._signal(signal.SIGSTOP)
        assert self._child is not None
        pid = self._child.pid
        wait_until(lambda: stands_still(pid), what=f"the pause of {self.name}", timeout_s=PAUSE_TIMEOUT_S, poll_s=0.01)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals, *, group: bool = True) -> None:
        assert self._child is not None, f"{self.name} was not started"
        with suppress(ProcessLookupError):
            if group:
                os.killpg(self._child.pid, number)
            else:
                self._child.send_signal(number)

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return tail(self.log, lines)

    def last_words(self) -> str:
        """The last lines of the log, introduced, for the end of an error."""
        return f" Last lines of {self.log}:\n{self.tail() or '(nothing was written)'}"


def stands_still(pid: int) -> bool:
    """Whether every thread of a process is stopped: on a busy machine they run on for a while after SIGSTOP."""
    threads = Path(f"/proc/{pid}/task")
    if not threads.exists():
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    # The state is the first word behind the name, which is in brackets and may hold anything.
    return all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T" for thread in threads.iterdir())


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file; empty when there is none."""
    with suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    return ""


def write_note(note: Path, pid: int, stop_signal: signal.Signals) -> None:
    """Write down a process for a later `clean`: id, moment of creation, and the signal that ends it in good order."""
    # Process ids are used again in time; the moment of creation tells two of one number apart.
    with suppress(psutil.NoSuchProcess):
        note.write_text(f"{pid} {psutil.Process(pid).create_time()} {int(stop_signal)}")


def _group_of(user: str | None) -> int | None:
    import pwd  # not on Windows, where nothing here becomes another user

    return pwd.getpwnam(user).pw_gid if user else None


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What the child runs before it becomes the program, on Linux: be signalled when the launcher dies."""
    # The kernel means the thread that forked, so a thread that ends before the launcher must not ask for it.
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        return None
    # Looked up before the fork: the child of a program with threads may only do the plainest of things.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    launcher = os.getpid()

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != launcher:  # it died in between
            os._exit(1)

    return prepare
