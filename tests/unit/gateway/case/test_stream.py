"""What one stream sends: each page once, of those that a slow reader has left only the newest, and the end last."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Message

from services.gateway.case.live.stream import Stream
from services.gateway.i18n.catalogue import catalogue


class Client:
    """`reads` while it takes what is sent."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.ended = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.stream = Stream(b"session", "TS20260001", catalogue("zh"))
        self.stream.start(self._send)

    async def _send(self, message: Message) -> None:
        await self.reads.wait()
        self.received.append(message["body"])
        self.ended = not message["more_body"]


async def settled(do: Callable[[], None] = lambda: None) -> None:
    do()
    for _ in range(3):
        await asyncio.sleep(0)


def offering(client: Client, frame: bytes) -> Awaitable[None]:
    return settled(lambda: client.stream.offer(frame))


async def test_a_page_that_is_as_it_was_is_not_sent_again() -> None:
    client = Client()
    for frame in (b"clear", b"clear", b"blocked", b"clear"):
        await offering(client, frame)
    assert client.received == [b"clear", b"blocked", b"clear"]


async def test_a_slow_reader_gets_the_newest_page_and_no_ping_before_it() -> None:
    client = Client()
    client.reads.clear()
    for frame in (b"first", b"second", b"third"):
        await offering(client, frame)
    client.stream.ping(b"ping")
    client.reads.set()
    await settled()
    assert client.received == [b"first", b"third"]
    await settled(lambda: client.stream.ping(b"ping"))
    assert client.received[2:] == [b"ping"]


async def test_nothing_is_sent_behind_the_end() -> None:
    client = Client()
    await settled(lambda: client.stream.end(b"ended"))
    await offering(client, b"clear")
    client.stream.ping(b"ping")
    await settled()
    assert (client.received, client.ended) == ([b"ended"], True)
