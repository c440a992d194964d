"""HTTP load at a fixed concurrency.

Plain sockets: a full client needs more CPU than the servers measured. One loopback address (127/8) per connection,
because the gateway limits the rate of one.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bench.harness import percentile

MAX_IDLE_S: Final = 2.0
"""uvicorn closes a connection after five idle seconds."""


@dataclass(frozen=True, slots=True)
class Load:
    """`rate`: answers a second."""

    rate: float
    p50_ms: float
    p99_ms: float


async def load(address: str, path: str, cookies: Sequence[str], *, requests: int, connections: int) -> Load:
    """The sessions in `cookies` take turns. Raises RuntimeError for any answer but 200."""
    server = urlsplit(address)
    latencies_s: list[float] = []
    left = iter(range(requests))

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(
            server.hostname, server.port, local_addr=(f"127.0.{1 + number // 250}.{1 + number % 250}", 0)
        )
        for turn in left:
            sent_s = time.perf_counter()
            writer.write(_request(server.netloc, path, cookies[turn % len(cookies)]))
            await _answer(reader, path)
            latencies_s.append(time.perf_counter() - sent_s)
        writer.close()
        await writer.wait_closed()

    started_s = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(connections)))
    took_s = time.perf_counter() - started_s
    return Load(requests / took_s, percentile(latencies_s, 0.5) * 1e3, percentile(latencies_s, 0.99) * 1e3)


class Connections:
    """Keep-alive: one per concurrent request, up to `limit`."""

    def __init__(self, address: str, limit: int = 256) -> None:
        self._server = urlsplit(address)
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._slots = asyncio.Semaphore(limit)

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """The body of a 200. Raises RuntimeError for another answer, OSError without one."""
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = (
            f"POST {path} HTTP/1.1\r\nHost: {self._server.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{head}\r\n"
        ).encode() + body
        async with self._slots:
            reader, writer = await self._connected()
            writer.write(request)
            answer = await _answer(reader, path)
            self._idle.append((time.monotonic(), reader, writer))
            return answer

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since_s, reader, writer = self._idle.pop()
            if time.monotonic() - since_s < MAX_IDLE_S:
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._server.hostname, self._server.port)

    def close(self) -> None:
        for _, _, writer in self._idle:
            writer.close()


def _request(host: str, path: str, cookie: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nAccept-Language: zh-CN\r\n"
        "Sec-Fetch-Site: same-origin\r\n\r\n"
    ).encode()


async def _answer(reader: asyncio.StreamReader, path: str) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if lines[0].split(" ")[1] != "200":
        raise RuntimeError(f"{path} answered {lines[0]}")
    lengths = [int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")]
    if not lengths:
        raise RuntimeError(f"{path} answered without Content-Length")
    return await reader.readexactly(lengths[0])
