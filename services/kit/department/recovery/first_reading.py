"""The first reading of a service: until it is over, the desk takes no pass away.

A database that comes from a backup has lost the holds since. Attempts that rest on them are asked about again in the
topics: once these were read, the holds stand, and a debt meets them. Nobody can tell at a start whether the database is
older than what was asked, so every start reads first; with nothing to read that takes less than a second.
"""

import asyncio
from typing import Any

from services.kit.department.desk import Desk
from services.kit.messaging.consumer import TransactionalConsumer


class FirstReading:
    """Once for each start of the service."""

    def __init__(self, desk: Desk[Any], consumer: TransactionalConsumer) -> None:
        self._desk, self._consumer = desk, consumer
        desk.has_read.clear()

    async def run(self) -> None:
        await self._consumer.caught_up()
        self._desk.has_read.set()
        await asyncio.Event().wait()

    async def probe(self) -> str | None:
        return None if self._desk.has_read.is_set() else "reads what was asked before the start"
