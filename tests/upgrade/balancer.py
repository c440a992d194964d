"""A service's one address in front of its processes, as a cluster has it: each new connection goes to the next one."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from deploy.local.processes.ports import LOOPBACK
from tests.support.waiting import eventually

CHUNK: Final = 64 * 1024


class Balancer:
    def __init__(self, port: int) -> None:
        self.port = port
        self.backends: list[int] = []
        self.served: Counter[int] = Counter()
        self._open: Counter[int] = Counter()
        self._turns: Iterator[int] = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def drain(self, backend: int, timeout_s: float) -> bool:
        """It gets no new connections; whether those it has ended in time."""
        self.backends.remove(backend)
        with suppress(AssertionError):
            await eventually(lambda: not self._open[backend], what="", timeout_s=timeout_s)
        return not self._open[backend]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        backend = self.backends[next(self._turns) % len(self.backends)]
        self.served[backend] += 1
        self._open[backend] += 1
        try:
            there_reader, there_writer = await asyncio.open_connection(LOOPBACK, backend)
            tasks = [
                asyncio.create_task(_pass(source, sink))
                for source, sink in ((reader, there_writer), (there_reader, writer))
            ]
            self._tasks.update(tasks)
            await asyncio.wait(tasks)
            self._tasks.difference_update(tasks)
        finally:
            self._open[backend] -= 1
            writer.close()


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
    sink.close()
