"""The limit of live streams: uvicorn and nothing of ours, one queue a client, everybody told the same bytes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final

import uvicorn

from deploy.local.processes.ports import LOOPBACK, free_port

STREAM: Final = "/stream"
TELL: Final = "/tell"
_HEADERS: Final = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]


class Bare:
    """ASGI. A GET of `TELL` tells everybody."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self._queues: set[asyncio.Queue[bytes]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == TELL:
            for other in self._queues:
                other.put_nowait(self._frame)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queue.put_nowait(self._frame)
        self._queues.add(queue)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        while True:
            await send({"type": "http.response.body", "body": await queue.get(), "more_body": True})


@contextmanager
def bare_server(frame_bytes: int) -> Iterator[tuple[str, int]]:
    """Its address and process id."""
    port = free_port()
    receiver, sender = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=_serve, args=(port, frame_bytes, sender), daemon=True)
    process.start()
    try:
        if not receiver.poll(30):
            raise RuntimeError("the bare server did not start")
        yield f"http://{LOOPBACK}:{port}", process.pid or 0
    finally:
        process.kill()
        process.join()


def _serve(port: int, frame_bytes: int, ready: Connection) -> None:
    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready.send(True)

    frame = b"event: state\ndata: " + b"x" * frame_bytes + b"\nretry: 2000\n\n"
    config = uvicorn.Config(
        Bare(frame),
        host=LOOPBACK,
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
    )
    Server(config).run()
