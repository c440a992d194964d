"""A way to PostgreSQL on which the answers of one database are slow, as behind a disk or network that is."""

import asyncio
import contextlib
from typing import Final

from tests.support.servers.tcp_proxy import CHUNK, TcpProxy

DELAY_S: Final = 0.4
_NAMED: Final = b"database\0"


class SlowingProxy(TcpProxy):
    """`slow`: the name of that database, none at first. A connection says with its first bytes which it is for."""

    slow = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        connection = _Database()
        for work in (
            self._to_server(reader, there_writer, connection),
            self._to_client(there_reader, writer, connection),
        ):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _to_server(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, connection: "_Database"
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if not connection.name and _NAMED in data:
                    connection.name = data.partition(_NAMED)[2].partition(b"\0")[0].decode()
                sink.write(data)
                await sink.drain()
            sink.close()

    async def _to_client(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, connection: "_Database"
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if self.slow and connection.name == self.slow:
                    await asyncio.sleep(DELAY_S)
                sink.write(data)
                await sink.drain()
            sink.close()


class _Database:
    name = ""
