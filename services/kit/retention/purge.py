"""Purges rows whose time has ended: the one loop of a service, a bounded batch a transaction."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.postgres.pool import Connection
from services.kit.retention.erasing import erasing
from services.kit.retention.tables import Table
from services.kit.settings import Settings

EVERY_S: Final = 300.0
_PAUSE_S: Final = 0.05
"""Lets others at the database between two batches."""
_log = structlog.get_logger(__name__)


class Purge:
    """Any number of instances may run: they skip one another's rows."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        tables: Sequence[Table],
        settings: Settings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._due = [(table, kept_for(table, settings)) for table in tables if table.purge]
        self._clock = clock

    async def run(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(EVERY_S)

    async def once(self) -> dict[str, int]:
        """Everything whose time has ended; table → rows."""
        purged = {}
        with suppress_instrumentation():
            for table, kept in self._due:
                count = await self._purge(table, self._clock() - kept)
                if count:
                    purged[table.name] = count
                    _log.info("rows.purged", table=table.name, count=count)
        return purged

    async def _purge(self, table: Table, before: datetime) -> int:
        total = 0
        while True:
            async with self._pool.acquire() as connection, connection.transaction():
                count = await purge_batch(connection, table, before)
            total += count
            if count < table.batch:
                return total
            await asyncio.sleep(_PAUSE_S)


async def purge_batch(connection: Connection, table: Table, before: datetime) -> int:
    assert table.purge is not None
    await erasing(connection)
    done: str = await connection.execute(table.purge, before, table.batch)
    return int(done.rpartition(" ")[2])


def kept_for(table: Table, settings: Settings) -> timedelta:
    """The setting's name ends with its unit."""
    assert table.keep is not None
    unit = "days" if table.keep.endswith("_days") else "seconds"
    return timedelta(**{unit: getattr(settings, table.keep)})
