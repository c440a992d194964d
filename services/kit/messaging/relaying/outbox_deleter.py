"""Deletes outbox rows that were acknowledged, those of several sends at once.

A row is sent as soon as it is read, and may stand a moment longer: who dies meanwhile sends it again, as ever. A delete
for each send would cost as much as the read that found its row.
"""

import asyncio
from typing import Any, Final

import asyncpg

from services.kit.runtime.failpoints import failpoint

GATHER_S: Final = 0.1


class OutboxDeleter:
    """From one task. Errors are raised by the next call."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self._pending: list[int] = []
        self._due = asyncio.Event()
        self._deleting: asyncio.Task[None] | None = None

    def add(self, ids: list[int]) -> None:
        """To be deleted within `GATHER_S`, or by `flush`."""
        if self._deleting is not None and self._deleting.done():
            self._deleting.result()
        self._pending += ids
        if self._deleting is None or self._deleting.done():
            self._due.clear()
            self._deleting = asyncio.create_task(self._delete_when_due())

    def start(self) -> None:
        """What was added is deleted now, beside whatever is done next."""
        self._due.set()

    async def flush(self) -> None:
        """Returns once all that was added is deleted."""
        self.start()
        deleting, self._deleting = self._deleting, None
        if deleting is not None:
            await deleting

    async def _delete_when_due(self) -> None:
        while self._pending:
            try:
                async with asyncio.timeout(GATHER_S):
                    await self._due.wait()
            except TimeoutError:
                pass
            ids, self._pending = self._pending, []
            failpoint("relay.before_delete")
            await self._connection.execute("DELETE FROM outbox WHERE id = ANY($1::bigint[])", ids)
            failpoint("relay.after_delete")
