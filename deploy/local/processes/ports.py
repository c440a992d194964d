"""Loopback ports: free ones, and the same from run to run.

Until used, a port is claimed from other launchers: its byte is locked in a file that this user's launchers share.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

LOOPBACK = "127.0.0.1"
CLAIMS: Final = Path(tempfile.gettempdir()) / f"lixiao-ports-{os.getuid()}"


def free_port(*preferred: int) -> int:
    """The first preferred port that is free, else one the kernel chooses; claimed."""
    left = iter(preferred)
    while True:
        with suppress(OSError), socket.socket() as probe:
            # A port whose last connections are in TIME_WAIT is free to a server, which sets this too.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, next(left, 0)))
            port = int(probe.getsockname()[1])
            fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            return port


def remembered_ports(folder: Path, names: Iterable[str], first: int) -> dict[str, int]:
    """Counted up from `first` (0: from none), else the last run's, noted in `folder`, else any free ones."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, int] = {}
    for index, name in enumerate(names):
        preferred = [first + index] if first else []
        with suppress(FileNotFoundError, ValueError):
            preferred.append(int((folder / name).read_text()))
        chosen[name] = free_port(*(port for port in preferred if port not in chosen.values()))
        (folder / name).write_text(str(chosen[name]))
    return chosen


def noted_ports(folder: Path, names: Iterable[str]) -> dict[str, int]:
    """Those that another launcher noted in `folder` for itself. Raises FileNotFoundError."""
    return {name: int((folder / name).read_text()) for name in names}


@cache
def _claims() -> int:
    # Never closed: closing any descriptor of the file would release all record locks of the process.
    return os.open(CLAIMS, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
