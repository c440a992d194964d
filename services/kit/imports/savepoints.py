"""A savepoint for each row of a transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.kit.imports.spec import Batch, RowFailed
from services.kit.operations import Held, Refused
from services.kit.postgres.pool import Connection, transient
from services.kit.rules.instants import Outdated


class RowSavepoints:
    """In the transaction open on `connection`; a failed row is rolled back, and the rows before it are kept.

    A row's savepoint is released with the next one's start, or with the transaction: one round trip a row, where
    `connection.transaction()` takes two. As most batches have no failed row, `used` is false until one has: then a
    failed row raises `RowFailed`, unless it was refused or held before it wrote anything.
    """

    def __init__(self, connection: Connection, batch: Batch | None, *, used: bool) -> None:
        self._connection = connection
        self._batch = batch
        self._used = used
        self._start = "SAVEPOINT import_row"
        self.row_failed = False

    @asynccontextmanager
    async def row(self) -> AsyncIterator[None]:
        if self._used:
            await self._connection.execute(self._start)
            self._start = "RELEASE SAVEPOINT import_row; SAVEPOINT import_row"
        if self._batch is not None:
            self._batch.wrote = False
        try:
            yield
        except Exception as error:
            if self._used:
                self.row_failed = True
                await self._connection.execute("ROLLBACK TO SAVEPOINT import_row")
            elif not transient(error) and not self._untouched_by(error):
                raise RowFailed from error
            raise

    def _untouched_by(self, error: Exception) -> bool:
        decided = isinstance(error, Held | Outdated | Refused)
        return decided and self._batch is not None and not self._batch.wrote
