"""Ports on the loopback: which are free, and the same one from run to run.

Between the look at a port and the server that listens on it another launcher may look too, so a port is claimed: the
byte of its number is locked in a file that all launchers of this user know, until the process ends.
"""

import fcntl
import os
import socket
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

LOOPBACK = "127.0.0.1"
CLAIMS: Final = Path(tempfile.gettempdir()) / f"lixiao-ports-{os.getuid()}"


@cache
def _claims() -> int:
    """The open file. It is never closed: with its first closed descriptor a process loses all its record locks."""
    return os.open(CLAIMS, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # A port whose last connections are in TIME_WAIT is free to a server, which sets this too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(*preferred: int) -> int:
    """The first preferred port that is free, else one the kernel chooses."""
    for port in preferred:
        if port and _claim(port) and port_is_free(port):
            return port
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if _claim(port):
            return port


def remembered_port(note: Path, preferred: int) -> int:
    """A port for a part kept in `note` from run to run, chosen around when it is taken by now."""
    with suppress(FileNotFoundError, ValueError):
        preferred_now = int(note.read_text())
        if _claim(preferred_now) and port_is_free(preferred_now):
            return preferred_now
    port = free_port(preferred)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(str(port))
    return port


def _claim(port: int) -> bool:
    """Whether the port is this process's to take, from now on."""
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether a TCP connection to the port succeeds now."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
