"""Loopback ports: free ones, and the same from run to run.

Until used, a port is claimed from other launchers: its byte is locked in a file that this user's launchers share.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

LOOPBACK = "127.0.0.1"
CLAIMS: Final = Path(tempfile.gettempdir()) / f"lixiao-ports-{os.getuid()}"


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A port whose last connections are in TIME_WAIT is free to a server, which sets this too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((LOOPBACK, port))
            return True
    return False


def free_port(*preferred: int) -> int:
    """The first preferred port that is free (0 is skipped), else one the kernel chooses; claimed."""
    for port in preferred:
        if port and _claim(port) and port_is_free(port):
            return port
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if _claim(port):
            return port


def remembered_port(note: Path, preferred: int, taken: Collection[int] = ()) -> int:
    """`preferred`, else the last run's, else any free one; none of `taken`."""
    noted = 0
    with suppress(FileNotFoundError, ValueError):
        noted = int(note.read_text())
    port = free_port(*(port for port in (preferred, noted) if port not in taken))
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(str(port))
    return port


def remembered_ports(folder: Path, names: Iterable[str], first: int) -> dict[str, int]:
    """Counted up from `first` where free; with `first` 0 the kernel chooses."""
    chosen: dict[str, int] = {}
    for index, name in enumerate(names):
        chosen[name] = remembered_port(folder / name, first + index if first else 0, chosen.values())
    return chosen


def _claim(port: int) -> bool:
    with suppress(OSError):
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        return True
    return False


@cache
def _claims() -> int:
    # Never closed: closing any descriptor of the file would release all record locks of the process.
    return os.open(CLAIMS, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
