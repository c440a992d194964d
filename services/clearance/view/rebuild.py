"""Rebuild of the view: fold from zero into a second table, compare at one frontier, switch.

The live view's writers wait during comparison and switch, its readers do not.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
from aiokafka import TopicPartition

from services.clearance.notify import notify
from services.clearance.view import view_store
from services.clearance.view.records import Position
from services.clearance.view.refold import Frontier, RebuildFailed, TopicFold, consumer_of
from services.kit.kafka.connection import KafkaConnection
from services.kit.names import AdvisoryLock
from services.kit.postgres.pool import Connection

REBUILT: Final = "status_rebuilt"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differing`: rows that only one view has, or that differ."""

    live_rows: int
    rebuilt_rows: int
    differing: int
    live_hash: str
    rebuilt_hash: str
    records: int
    took_s: float
    switched: bool = False

    @property
    def equal(self) -> bool:
        return self.differing == 0 and self.live_hash == self.rebuilt_hash


async def rebuild(
    dsn: str,
    *,
    kafka: KafkaConnection,
    group: str,
    topics: Mapping[str, str],
    switch: bool = True,
    accept_differences: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Comparison:
    """With `switch`, replace the live view if equal or differences are accepted. Raises `RebuildFailed`.

    `group`: the live projector's. `topics`: status topic → department. `progress` gets records read and in all.
    """
    started_s = time.monotonic()
    async with _locked(dsn) as connection, consumer_of(kafka, topics) as consumer:
        await connection.execute(f"DROP TABLE IF EXISTS {REBUILT}")
        await connection.execute(
            f"CREATE TABLE {REBUILT} (LIKE {view_store.VIEW} INCLUDING ALL) WITH (fillfactor = 70)"
        )
        try:
            fold = TopicFold(connection, consumer, REBUILT, topics, await _discarded(connection, group), progress)
            await fold.up_to(await _frontier(connection, group))
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {view_store.VIEW} IN SHARE MODE")
                await fold.up_to(await _frontier(connection, group))
                await connection.execute(_KEEP_HEARD_AT)
                switching = switch and (await _differing(connection) == 0 or accept_differences)
                compared = await _compared(connection, fold.records, time.monotonic() - started_s, switching)
                if switching:
                    await _switch(connection)
                return compared
        finally:
            await connection.execute(f"DROP TABLE IF EXISTS {REBUILT}")


async def _frontier(connection: Connection, group: str) -> Frontier:
    rows = await connection.fetch(
        "SELECT topic, partition, next_offset FROM consumer_offset WHERE consumer = $1", group
    )
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def _discarded(connection: Connection, group: str) -> frozenset[Position]:
    rows = await connection.fetch(
        """SELECT topic, partition, "offset" FROM dead_letter
        WHERE consumer = $1 AND ended_how = 'discarded' AND ended_log = 0""",
        group,
    )
    return frozenset((row["topic"], row["partition"], row["offset"]) for row in rows)


async def _compared(connection: Connection, records: int, took_s: float, switched: bool) -> Comparison:
    return Comparison(
        live_rows=await connection.fetchval(f"SELECT count(*) FROM {view_store.VIEW}"),
        rebuilt_rows=await connection.fetchval(f"SELECT count(*) FROM {REBUILT}"),
        differing=await _differing(connection),
        live_hash=await view_store.view_hash(connection),
        rebuilt_hash=await view_store.view_hash(connection, REBUILT),
        records=records,
        took_s=took_s,
        switched=switched,
    )


async def _differing(connection: Connection) -> int:
    count: int = await connection.fetchval(
        f"""
        SELECT count(*) FROM (SELECT student_id, department, {view_store.ROW_TEXT} AS text
                          FROM {view_store.VIEW}) AS live
        FULL JOIN (SELECT student_id, department, {view_store.ROW_TEXT} AS text FROM {REBUILT}) AS rebuilt
            USING (student_id, department)
        WHERE live.text IS DISTINCT FROM rebuilt.text
        """
    )
    return count


# The topic does not hold when a status was first received, nor since when a student is open: both are kept where both
# views have the same version.
_KEEP_HEARD_AT: Final = f"""
UPDATE {REBUILT} AS rebuilt SET heard_at = live.heard_at,
    open_since = CASE WHEN rebuilt.open_codes IS NOT NULL THEN coalesce(live.open_since, rebuilt.open_since) END
FROM {view_store.VIEW} AS live
WHERE (live.student_id, live.department, live.version)
    = (rebuilt.student_id, rebuilt.department, rebuilt.version)
"""


async def _switch(connection: Connection) -> None:
    """Views follow the renamed table, not its name, so they are recreated."""
    views = await connection.fetch(
        "SELECT schemaname, viewname, definition FROM pg_views WHERE schemaname = 'published'"
    )
    indexes = await connection.fetch("SELECT indexname FROM pg_indexes WHERE tablename = $1", REBUILT)
    await connection.execute(f"ALTER TABLE {view_store.VIEW} RENAME TO status_before")
    await connection.execute(f"ALTER TABLE {REBUILT} RENAME TO {view_store.VIEW}")
    for view in views:
        await connection.execute(
            f'CREATE OR REPLACE VIEW "{view["schemaname"]}"."{view["viewname"]}" AS {view["definition"]}'
        )
    await connection.execute("DROP TABLE status_before")
    # The triggers that keep the work lists went with it.
    await connection.execute("SELECT follow_open_statuses()")
    for index in indexes:
        name = index["indexname"]
        await connection.execute(f'ALTER INDEX "{name}" RENAME TO "{name.replace(REBUILT, view_store.VIEW, 1)}"')
    await notify(connection)


@asynccontextmanager
async def _locked(dsn: str) -> AsyncIterator[Connection]:
    session = {"application_name": "clearance.rebuild", "statement_timeout": "600000", "lock_timeout": "30000"}
    connection = await asyncpg.connect(dsn, timeout=10, server_settings={**session, "timezone": "UTC"})
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", AdvisoryLock.VIEW_REBUILD):
            raise RebuildFailed("another rebuild of this view is running: wait until it ends.")
        yield connection
    finally:
        await connection.close(timeout=5)
