"""What a process logs, as it would be on stdout."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from services.kit.observability import logs


@contextmanager
def captured_lines(level: str) -> Iterator[io.StringIO]:
    """Of a service called `library`; the process's logging is put back after."""
    root = logging.getLogger()
    handlers, before = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("library", level=level, stream=stream)
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(before)
        structlog.reset_defaults()
