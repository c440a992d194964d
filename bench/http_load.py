"""HTTP at a fixed concurrency: each connection asks for the next thing as soon as it has the last answer.

Plain sockets, because a full client costs more processor time than the servers measured. Each connection comes from
a loopback address of its own, as students do: the gateway limits what one address may ask (Linux has 127/8 for that).
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.rounds import percentile


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: answers a second, and how long one took."""

    rate: float
    p50_ms: float
    p99_ms: float


async def load(address: str, path: str, cookies: Sequence[str], *, requests: int, connections: int) -> Load:
    """`requests` GETs of `path`, the sessions in `cookies` taking turns. Raises RuntimeError for any answer but 200."""
    server = urlsplit(address)
    waits_s: list[float] = []
    left = iter(range(requests))

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(
            server.hostname, server.port, local_addr=(f"127.0.{1 + number // 250}.{1 + number % 250}", 0)
        )
        for turn in left:
            asked_s = time.perf_counter()
            writer.write(_request(server.netloc, path, cookies[turn % len(cookies)]))
            await _answered(reader, path)
            waits_s.append(time.perf_counter() - asked_s)
        writer.close()
        await writer.wait_closed()

    started_s = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(connections)))
    took_s = time.perf_counter() - started_s
    return Load(requests / took_s, percentile(waits_s, 0.5) * 1e3, percentile(waits_s, 0.99) * 1e3)


def _request(host: str, path: str, cookie: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nAccept-Language: zh-CN\r\n"
        "Sec-Fetch-Site: same-origin\r\n\r\n"
    ).encode()


async def _answered(reader: asyncio.StreamReader, path: str) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if lines[0].split(" ")[1] != "200":
        raise RuntimeError(f"{path} answered {lines[0]}")
    lengths = [int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")]
    if not lengths:
        raise RuntimeError(f"{path} answered without Content-Length")
    await reader.readexactly(lengths[0])
