"""The state folder: which launcher owns it, and removing it with every process that runs from it.

Ownership is a lock that the kernel releases when its owner dies, so a killed launcher leaves no stale lock. A process
belongs to a folder when it leads a session, as every child of a launcher does, and its output goes to a file in it.
"""

import fcntl
import os
import shutil
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self, TextIO

import psutil

LOCK = "launcher.lock"
ELSEWHERE_NOTE = "elsewhere"
FOLDERS_TRIED = 8
STDOUT = 1


class StateInUse(RuntimeError):
    """Another launcher owns this state folder. The text has its process id and how to stop it."""


class StateFolder:
    """An owned state folder; released by `release`, by leaving `with`, and by the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Create and lock `folder`, and stop what a killed launcher left running from it. Raises StateInUse."""
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock: TextIO = (self.folder / LOCK).open("a+")
        if not _lock(self._lock):
            self._lock.close()
            raise StateInUse(
                f"{self.folder} is in use by process {_owner(self.folder / LOCK) or 'unknown'}. Stop it (Ctrl-C, or "
                f"`make clean`), or use another folder: LIXIAO_STATE=/some/folder."
            )
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        _stop(_running_from(self.folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        self._lock.close()


def claim_any(folder: Path) -> StateFolder:
    """Own `folder`, or the first free one of `folder-2`, `folder-3`, …: for test runs side by side."""
    for number in range(1, FOLDERS_TRIED + 1):
        with suppress(StateInUse):
            return StateFolder(folder if number == 1 else folder.with_name(f"{folder.name}-{number}"))
    raise StateInUse(f"{folder} and its {FOLDERS_TRIED - 1} neighbours are all in use.")


def clean(folder: Path) -> list[int]:
    """Stop what runs from `folder` and below, then remove it and what it put elsewhere. Returns the ids stopped."""
    # Launchers first: they would restart what is stopped under them.
    launchers = [pid for lock in folder.rglob(LOCK) if (pid := _owner(lock)) and pid != os.getpid()]
    stopped = _stop(psutil.Process(pid) for pid in launchers if psutil.pid_exists(pid))
    stopped += _stop(_running_from(folder.absolute()))
    for note in folder.rglob(ELSEWHERE_NOTE):
        shutil.rmtree(note.read_text().strip(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    return stopped


def _lock(file: TextIO) -> bool:
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _owner(lock: Path) -> int | None:
    """The process id of the launcher that holds this lock; None when it is free."""
    with lock.open() as file:
        return None if _lock(file) else int(file.read() or 0) or None


def _running_from(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == process.pid != os.getpid():
                output = (file.path for file in process.open_files() if file.fd == STDOUT)
                found += [process for path in output if Path(path).is_relative_to(folder)]
    return found


def _stop(processes: Iterable[psutil.Process], timeout_s: float = 40) -> list[int]:
    """SIGTERM, and SIGKILL to those that still run after `timeout_s`."""
    signalled = []
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGCONT)
            process.terminate()
            signalled.append(process)
    for process in psutil.wait_procs(signalled, timeout=timeout_s)[1]:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(signalled, timeout=5)
    return [process.pid for process in signalled]
