"""The database of a service, for a command that runs beside it or without it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from services.kit.postgres.pool import Connection

_TIMEOUT_S: Final = 10


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    """A connection of the command's own."""
    connection = await asyncpg.connect(dsn, timeout=_TIMEOUT_S)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def one_transaction(dsn: str) -> AsyncIterator[Connection]:
    """Committed when the block ends without an error."""
    async with connected(dsn) as connection, connection.transaction():
        yield connection
