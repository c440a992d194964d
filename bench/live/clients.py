"""Open event streams by raw sockets: what a full client costs would hide what is measured.

One loopback address (127/8) per stream, because the gateway limits the rate of one.
"""

import asyncio
import resource
import time
from collections.abc import Iterable
from typing import Final, cast
from urllib.parse import urlsplit

OPENING_AT_ONCE: Final = 64
OPEN_WITHIN_S: Final = 300.0
_HEADERS: Final = (
    'sec-ch-ua: "Chromium";v="141", "Not?A_Brand";v="8"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\n'
    "Connection: keep-alive\r\nCache-Control: no-cache\r\nAccept: text/event-stream\r\nSec-Fetch-Site: same-origin\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
    "\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: zh-CN,zh;q=0.9\r\n"
)
"""As a browser sends them: they are kept with the request."""
_END: Final = b"\n\n\r\n"
"""Of an event and of its chunk."""
_KEPT: Final = len(_END) - 1


class StreamClient(asyncio.Protocol):
    """`shown_at`: when its newest event with a page was complete; `shown` counts them."""

    def __init__(self, path: str, cookie: str, host: str) -> None:
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{_HEADERS}Referer: http://{host}/case\r\nCookie: {cookie}\r\n\r\n"
        ).encode()
        self._status, self._tail, self._in_page = b"", b"", False
        self._changed = asyncio.Event()
        self.shown, self.shown_at, self.ended, self.received = 0, 0.0, False, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if not self._status:
            self._status = data[:12]
        if b"event: state" in data:
            self._in_page = True
        if self._in_page and (self._tail + data[-len(_END) :]).endswith(_END):
            self._in_page = False
            self.shown, self.shown_at = self.shown + 1, time.time()
            self._changed.set()
        self._tail = data[-_KEPT:]

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._changed.set()

    async def until_shown(self, count: int) -> None:
        """Raises RuntimeError if the stream ends before."""
        while self.shown < count:
            if self.ended or (not self._status.endswith(b"200") and self._status):
                raise RuntimeError(f"a stream ended after {self.shown} pages: {self._status!r}")
            self._changed.clear()
            await self._changed.wait()


async def open_streams(address: str, path: str, cookies: Iterable[str]) -> list[StreamClient]:
    """Each has its first page."""
    server, slots = urlsplit(address), asyncio.Semaphore(OPENING_AT_ONCE)
    loop = asyncio.get_running_loop()

    async def one(number: int, cookie: str) -> StreamClient:
        local = f"127.{1 + number // 62_500}.{1 + number // 250 % 250}.{1 + number % 250}"
        async with slots:
            _, client = await loop.create_connection(
                lambda: StreamClient(path, cookie, server.netloc),
                server.hostname or "",
                server.port or 80,
                local_addr=(local, 0),
            )
            await client.until_shown(1)
            return client

    opening = [asyncio.create_task(one(number, cookie)) for number, cookie in enumerate(cookies)]
    done, late = await asyncio.wait(opening, timeout=OPEN_WITHIN_S)
    if late:
        raise RuntimeError(f"{len(done)} of {len(opening)} streams had a page within {OPEN_WITHIN_S:.0f} s")
    return [task.result() for task in opening]


def close(clients: Iterable[StreamClient]) -> None:
    for client in clients:
        client.transport.abort()


def allow_open_files(count: int) -> None:
    """For this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
