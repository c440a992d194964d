"""The state folder: who owns it, and removing it with every process that runs from it.

The kernel releases a dead owner's lock. A process belongs to the folder if it leads a session and its output goes
there.
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
    """The text has the owner's process id and how to stop it."""


class StateFolder:
    """Owned until `release`, the end of `with`, or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Stops what a killed launcher left running. Raises StateInUse."""
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
    """Or `folder-2`, `folder-3`, …: for test runs side by side."""
    for number in range(1, FOLDERS_TRIED + 1):
        with suppress(StateInUse):
            return StateFolder(folder if number == 1 else folder.with_name(f"{folder.name}-{number}"))
    raise StateInUse(f"{folder} and its {FOLDERS_TRIED - 1} neighbours are all in use.")


def clean(folder: Path) -> list[int]:
    """Stop what runs from it and remove it. Returns the process ids."""
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
