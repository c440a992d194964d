"""Ports on the loopback: which are free, and the same one from run to run."""

import socket
from contextlib import suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"


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
        if port and port_is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def remembered_port(note: Path, preferred: int) -> int:
    """A port for a part kept in `note` from run to run, chosen around when it is taken by now."""
    with suppress(FileNotFoundError, ValueError):
        preferred_now = int(note.read_text())
        if port_is_free(preferred_now):
            return preferred_now
    port = free_port(preferred)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(str(port))
    return port


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether a TCP connection to the port succeeds now."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
