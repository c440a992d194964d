"""A savepoint for each row of a transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.kit.postgres.pool import Connection


class RowSavepoints:
    """In the transaction open on `connection`; a failed row is rolled back, and the rows before it are kept.

    A row's savepoint is released with the next one's start, or with the transaction: one round trip a row, where
    `connection.transaction()` takes two.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._start = "SAVEPOINT import_row"

    @asynccontextmanager
    async def row(self) -> AsyncIterator[None]:
        await self._connection.execute(self._start)
        self._start = "RELEASE SAVEPOINT import_row; SAVEPOINT import_row"
        try:
            yield
        except Exception:
            await self._connection.execute("ROLLBACK TO SAVEPOINT import_row")
            raise
