"""The state folder: who uses it now, and removing it with all that runs from it.

One launcher at a time owns a state folder. Ownership is a lock that the kernel takes back when the owner dies, so
a launcher that was killed leaves no stale lock behind.
"""

import fcntl
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Self, TextIO

import psutil

from deploy.local.processes.process import write_note

LAUNCHER_NOTE = "launcher.pid"
ELSEWHERE_NOTE = "elsewhere"
FOLDERS_TRIED = 8


class StateInUse(RuntimeError):
    """Another launcher runs on this state folder: the text names it and how to end it."""


class StateFolder:
    """A claimed state folder, given back by `release`, by leaving `with`, and by the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Claim `folder`, making it. Raises StateInUse."""
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock: TextIO = (self.folder / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            owner = (_read(self.folder / LAUNCHER_NOTE) or ["unknown"])[0]
            raise StateInUse(
                f"{self.folder} is in use by process {owner}. End that one first (Ctrl-C, or `make clean`), "
                f"or name another folder: LIXIAO_STATE=/some/folder."
            ) from error
        write_note(self.folder / LAUNCHER_NOTE, os.getpid(), signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the folder back."""
        (self.folder / LAUNCHER_NOTE).unlink(missing_ok=True)
        self._lock.close()


def claim_any(folder: Path) -> StateFolder:
    """Claim `folder`, or `folder-2`, `folder-3` and so on where others are at work: for test runs side by side."""
    for number in range(1, FOLDERS_TRIED + 1):
        with suppress(StateInUse):
            return StateFolder(folder if number == 1 else folder.with_name(f"{folder.name}-{number}"))
    raise StateInUse(f"{folder} and its {FOLDERS_TRIED - 1} neighbours are all in use.")


def clean(folder: Path, timeout_s: float = 40) -> list[int]:
    """Stop what runs from a state folder, then remove it and what it put elsewhere; returns the ids stopped."""
    # The launcher first: left alone it would start again what is stopped under it.
    stopped = _stop(list(folder.rglob(LAUNCHER_NOTE)), timeout_s)
    stopped += _stop(list(folder.rglob("*.pid")), timeout_s)
    for note in folder.rglob(ELSEWHERE_NOTE):
        with suppress(OSError):
            shutil.rmtree(note.read_text().strip(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    return stopped


def _stop(notes: list[Path], timeout_s: float) -> list[int]:
    alive: list[psutil.Process] = []
    for note in notes:
        with suppress(ValueError, psutil.Error):
            pid, created, number = _read(note)
            process = psutil.Process(int(pid))
            if abs(process.create_time() - float(created)) < 1 and process.pid != os.getpid():
                process.send_signal(int(number))
                alive.append(process)
    _gone, stubborn = psutil.wait_procs(alive, timeout=timeout_s)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)
    return [process.pid for process in alive]


def _read(note: Path) -> list[str]:
    with suppress(OSError):
        return note.read_text().split()
    return []
