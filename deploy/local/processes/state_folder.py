"""The state folder: who owns it, and removing it with every process that runs from it.

An owner holds the lock file open and locked, which the kernel ends with it. A process belongs to the folder if it leads
a session and its output goes there.
"""

import fcntl
import os
import shutil
import signal
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

import psutil

STATE: Final = Path(os.environ.get("LIXIAO_STATE") or ".lixiao").expanduser()
"""All data, logs and jars."""
LOCK = "launcher.lock"
ELSEWHERE_NOTE = "elsewhere"
FOLDERS_TRIED = 8
STDOUT = 1


class StateInUse(RuntimeError):
    """The text has the owner's process id and how to stop it."""


class StateFolder(AbstractContextManager["StateFolder"]):
    """Owned until the end of `with`, or of the process."""

    def __init__(self, folder: Path) -> None:
        """Stops what a killed launcher left running. Raises StateInUse."""
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / LOCK).open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            owner = ", ".join(str(process.pid) for process in _running_from(self.folder, owners=True))
            raise StateInUse(
                f"{self.folder} is in use by process {owner or 'unknown'}. Stop it (Ctrl-C, or `make clean`), or use "
                f"another folder: LIXIAO_STATE=/some/folder."
            ) from None
        stop_left_running(self.folder)

    def __exit__(self, *_: object) -> None:
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
    stopped = _stop(_running_from(folder, owners=True)) + stop_left_running(folder)
    for note in folder.rglob(ELSEWHERE_NOTE):
        shutil.rmtree(note.read_text().strip(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    return stopped


def stop_left_running(folder: Path) -> list[int]:
    """Returns the process ids."""
    return _stop(_running_from(folder))


def _running_from(folder: Path, *, owners: bool = False) -> list[psutil.Process]:
    """`owners`: those of the folder or of one in it."""
    found, resolved = [], folder.resolve()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            leads_session = os.getsid(process.pid) == process.pid
            for file in process.open_files():
                belongs = Path(file.path).name == LOCK if owners else file.fd == STDOUT and leads_session
                if belongs and Path(file.path).is_relative_to(resolved):
                    found.append(process)
    return found


def _stop(processes: Iterable[psutil.Process], timeout_s: float = 40) -> list[int]:
    signalled = []
    for process in processes:
        with suppress(psutil.Error):
            if process.pid != os.getpid():
                process.send_signal(signal.SIGCONT)
                process.terminate()
                signalled.append(process)
    for process in psutil.wait_procs(signalled, timeout=timeout_s)[1]:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(signalled, timeout=5)
    return [process.pid for process in signalled]
