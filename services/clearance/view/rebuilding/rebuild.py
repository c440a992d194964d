"""Rebuild of the view: fold from zero into a second table, compare at one frontier, switch.

The live view's writers wait during comparison and switch, its readers do not.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
from aiokafka import TopicPartition

from services.clearance.view import view_store
from services.clearance.view.rebuilding.rebuilt_table import Comparison, rebuilt_table
from services.clearance.view.rebuilding.refold import MOST_IN_MEMORY, TopicFold
from services.clearance.view.rebuilding.topic_reader import Frontier, RebuildFailed, TopicReader, consumer_of
from services.clearance.view.records import Position
from services.kit.kafka.connection import KafkaConnection
from services.kit.names import AdvisoryLock
from services.kit.postgres.pool import Connection


async def rebuild(
    dsn: str,
    *,
    kafka: KafkaConnection,
    group: str,
    topics: Mapping[str, str],
    switch: bool = True,
    accept_differences: bool = False,
    most_in_memory: int = MOST_IN_MEMORY,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Comparison:
    """With `switch`, replace the live view if equal or differences are accepted. Raises `RebuildFailed`.

    `group`: the live projector's. `topics`: status topic → department. `progress` gets records read and in all.
    """
    started_s = time.monotonic()
    async with (
        _locked(dsn) as connection,
        consumer_of(kafka, topics) as consumer,
        rebuilt_table(connection, lasting=switch) as table,
    ):
        reader = TopicReader(consumer, progress)
        fold = TopicFold(reader, table, topics, await _discarded(connection, group))
        await fold.load(await _frontier(connection, group), most_in_memory=most_in_memory)
        if switch:
            await table.take_over_times()
            await table.prepare()
        # What came meanwhile, so that the writers wait for little.
        await fold.catch_up(await _frontier(connection, group))
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {view_store.VIEW} IN SHARE MODE")
            await fold.catch_up(await _frontier(connection, group))
            compared = replace(await table.compare(), records=reader.records, took_s=time.monotonic() - started_s)
            if switch and (compared.equal or accept_differences):
                await table.take_over_times()
                await table.switch()
                compared = replace(compared, switched=True)
            return compared


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


@asynccontextmanager
async def _locked(dsn: str) -> AsyncIterator[Connection]:
    session = {"application_name": "clearance.rebuild", "statement_timeout": "600000", "lock_timeout": "30000",
               "work_mem": "64MB", "timezone": "UTC"}  # fmt: skip
    connection = await asyncpg.connect(dsn, timeout=10, server_settings=session)
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", AdvisoryLock.VIEW_REBUILD):
            raise RebuildFailed("another rebuild of this view is running: wait until it ends.")
        yield connection
    finally:
        await connection.close(timeout=5)
