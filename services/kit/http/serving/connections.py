"""uvicorn's HTTP protocol with limits of size, number and time, which uvicorn has no options for.

The deadlines are looked at once a second for all connections together: a request pays for no timer.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from services.kit.http.client_address import TrustedProxies, limited_address

MAX_HEAD_BYTES: Final = 32 * 1024
"""Request line and headers."""
MAX_HEADERS: Final = 100
HEAD_S: Final = 10.0
"""From the connection, or the first byte of a later request, to the end of the headers."""
BODY_S: Final = 20.0
"""And one second more for each `BODY_BYTES_PER_S`."""
BODY_BYTES_PER_S: Final = 16 * 1024
WRITE_S: Final = 60.0
"""A client that reads nothing of a response."""
KEEP_ALIVE_S: Final = 5
"""Idle after a response."""
PINNED: Final = {"uvicorn": "0.54.0", "httptools": "0.9.0"}
"""What this was written against: the protocol's methods are overridden."""
_log = structlog.get_logger(__name__)


@dataclass
class OpenConnections:
    """Of all listeners of a service. A trusted proxy's connections are many persons': only the total counts."""

    total: int
    per_address: int
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    count: int = 0
    refused: int = 0
    """Since the last report."""
    _by_address: Counter[str] = field(default_factory=Counter)

    def admit(self, host: str) -> bool:
        address = limited_address(host)
        if self.count >= self.total or (
            self._by_address[address] >= self.per_address and not self.proxies.trusts(host)
        ):
            self.refused += 1
            return False
        self.count += 1
        self._by_address[address] += 1
        return True

    def release(self, host: str) -> None:
        address = limited_address(host)
        self.count -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def report(self) -> None:
        if self.refused:
            _log.warning("connections.refused", count=self.refused, open=self.count)
            self.refused = 0


class _Event:
    """As much of `asyncio.Event` as uvicorn uses; its queue of waiters alone would take six hundred bytes."""

    __slots__ = ("_is_set", "_waiters")

    def __init__(self) -> None:
        self._is_set = False
        self._waiters: list[asyncio.Future[None]] | None = None

    def set(self) -> None:
        self._is_set = True
        waiters, self._waiters = self._waiters or (), None
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        self._is_set = False

    async def wait(self) -> None:
        if not self._is_set:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters = [*(self._waiters or ()), waiter]
            await waiter


class _Pipeline(list[Any]):
    """As much of a deque as uvicorn uses, of requests behind the one that is answered: hardly ever any."""

    def appendleft(self, request: Any) -> None:
        self.insert(0, request)


class LimitedProtocol(HttpToolsProtocol):
    """Of one connection."""

    # Beside uvicorn's own attributes: more than thirty would cost each connection a kilobyte, for a dictionary whose
    # keys instances cannot share.
    __slots__ = (
        "_admitted",
        "_field_bytes",
        "_head_bytes",
        "_in_head",
        "_open",
        "_read_by",
        "_too_large",
        "_written_by",
    )

    def __init__(self, *args: Any, open_connections: OpenConnections, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pipeline = _Pipeline()  # type: ignore[assignment]
        self._open = open_connections
        self._admitted: str | None = None
        self._in_head = True
        self._head_bytes = 0
        self._field_bytes = 0
        self._too_large = False
        self._read_by: float | None = None
        self._written_by: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow._is_writable_event = writable = _Event()  # type: ignore[assignment]
        writable.set()
        host = self.client[0] if self.client else ""
        if self._open.admit(host):
            self._admitted = host
            self._read_by = self.loop.time() + HEAD_S
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._admitted is not None:
            self._open.release(self._admitted)
            self._admitted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            # The parser collects a header until it is complete, so what it has not handed out yet counts as well.
            self._head_bytes += len(data)
            self._read_by = self._read_by or self.loop.time() + HEAD_S
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._field_bytes = 0
        self._read_by = self._read_by or self.loop.time() + HEAD_S

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._take(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._take(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._read_by = self.loop.time() + BODY_S
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            # Nobody waits yet: the task that answers begins later.
            self.cycle.message_event = _Event()  # type: ignore[assignment]
        # They are the request's, which may drop them while it is answered.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        if self._read_by is not None:
            self._read_by += len(body) / BODY_BYTES_PER_S
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes, self._read_by = True, 0, None
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._written_by = self.loop.time() + WRITE_S

    def resume_writing(self) -> None:
        super().resume_writing()
        self._written_by = None

    def send_400_response(self, msg: str) -> None:
        """Also uvicorn's answer to what the parser refuses, such as a header too many."""
        self._answer("431 Request Header Fields Too Large" if self._too_large else "400 Bad Request")

    def close_if_late(self, now_s: float) -> None:
        if self._written_by is not None and now_s > self._written_by:
            self.transport.abort()
        elif self._read_by is not None and self.flow.read_paused:
            # Not the client's delay: the application has not asked for more.
            self._read_by = max(self._read_by, now_s + BODY_S)
        elif self._read_by is not None and now_s > self._read_by:
            cycle: RequestResponseCycle | None = self.cycle
            if self._in_head and (cycle is None or cycle.response_complete):
                self._answer("408 Request Timeout")
            else:
                self.transport.abort()

    def _take(self, size: int) -> None:
        self._field_bytes += size
        if self._field_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._too_large = True
            raise ValueError("the headers are too large")

    def _answer(self, status: str) -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode())
        self.transport.close()
