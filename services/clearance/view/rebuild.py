"""A second view, folded from zero beside the live one, compared with it at one frontier, then put in its place.

The same fold and the same statement as the projector's, another table. Until the last step the live view goes on; for
the comparison and the switch its writers wait, its readers do not.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.clearance.notify import notify
from services.clearance.view import view_store
from services.clearance.view.fold import Position, fold_batch
from services.kit.messaging.aiokafka_headers import read_any_header_name
from services.kit.names import AdvisoryLock
from services.kit.postgres.pool import Connection

REBUILT: Final = "status_rebuilt"
BATCH: Final = 5000
STALLED_AFTER_S: Final = 30.0
Frontier = dict[TopicPartition, int]
"""Next offset of each partition."""


class RebuildFailed(Exception):
    """The second view could not be made or compared; the live one is as it was. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both views at one frontier. `differing` rows are in one only, or say something else."""

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
    kafka: str,
    group: str,
    topics: Mapping[str, str],
    switch: bool = True,
    accept_differences: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Comparison:
    """Fold the view from zero and compare; switch when asked and equal, or when differences are accepted.

    `group` is the live projector's, `topics` maps each status topic to its department. `progress` hears records read
    and records to read. Raises `RebuildFailed`.
    """
    started_s = time.monotonic()
    async with _alone(dsn) as connection, _reading(kafka, topics) as consumer:
        await connection.execute(f"DROP TABLE IF EXISTS {REBUILT}")
        await connection.execute(
            f"CREATE TABLE {REBUILT} (LIKE {view_store.VIEW} INCLUDING ALL) WITH (fillfactor = 70)"
        )
        try:
            fold = _Fold(connection, consumer, topics, await _discarded(connection, group), progress)
            await fold.up_to(await _frontier(connection, group))
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {view_store.VIEW} IN SHARE MODE")
                await fold.up_to(await _frontier(connection, group))
                await connection.execute(_KEEP_HEARD)
                switching = switch and (await _differing(connection) == 0 or accept_differences)
                compared = await _compared(connection, fold.records, time.monotonic() - started_s, switching)
                if switching:
                    await _switch(connection)
                return compared
        finally:
            await connection.execute(f"DROP TABLE IF EXISTS {REBUILT}")


class _Fold:
    """Reads every partition from its start and stores what it says, never beyond the frontier asked for."""

    def __init__(
        self,
        connection: Connection,
        consumer: AIOKafkaConsumer,
        topics: Mapping[str, str],
        discarded: frozenset[Position],
        progress: Callable[[int, int], None],
    ) -> None:
        self._connection, self._consumer, self._topics = connection, consumer, topics
        self._discarded, self._progress = discarded, progress
        self._at: Frontier = dict.fromkeys(consumer.assignment(), 0)
        self.records = 0

    async def up_to(self, frontier: Frontier) -> None:
        ends = await self._consumer.end_offsets(list(self._at))
        frontier = {part: target for part, target in frontier.items() if part.topic in self._topics}
        for part, target in frontier.items():
            if ends.get(part, 0) < target:
                raise RebuildFailed(
                    f"{part.topic} [{part.partition}] ends at {ends.get(part, 0)}, before the live view's {target}: "
                    "the topic was made anew. Let the departments say everything again first."
                )
        moved_s = time.monotonic()
        while behind := {part: target for part, target in frontier.items() if self._at[part] < target}:
            self._consumer.pause(*(part for part in self._at if part not in behind))
            self._consumer.resume(*behind)
            found = await self._consumer.getmany(timeout_ms=500, max_records=BATCH)
            records = [record for part, some in found.items() for record in self._taken(part, some, behind[part])]
            for part, target in behind.items():
                # The positions before it may have been compacted away: then there is nothing more to read.
                self._at[part] = max(self._at[part], min(target, await self._consumer.position(part)))
            if records:
                moved_s = time.monotonic()
                await self._store(records)
                self._progress(sum(self._at.values()), sum(frontier.values()))
            elif time.monotonic() - moved_s > STALLED_AFTER_S:
                raise RebuildFailed(f"nothing was read for {STALLED_AFTER_S:.0f} s: is the broker well?")

    def _taken(self, part: TopicPartition, records: list[ConsumerRecord], target: int) -> list[ConsumerRecord]:
        taken = [record for record in records if record.offset < target]
        if len(taken) < len(records):
            self._consumer.seek(part, target)
        return taken

    async def _store(self, records: list[ConsumerRecord]) -> None:
        batch = fold_batch(records, self._topics, passed_over=self._discarded)
        await view_store.apply_rows(self._connection, batch.rows, now=datetime.now(UTC), table=REBUILT)
        self.records += len(records)


async def _frontier(connection: Connection, group: str) -> Frontier:
    rows = await connection.fetch(
        "SELECT topic, partition, next_offset FROM consumer_offset WHERE consumer = $1", group
    )
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def _discarded(connection: Connection, group: str) -> frozenset[Position]:
    rows = await connection.fetch(
        """SELECT topic, partition, "offset" FROM dead_letter WHERE consumer = $1 AND ended_how = 'discarded'""", group
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
        SELECT count(*) FROM (SELECT student_id, department, {view_store.ROW_TEXT} AS said
                          FROM {view_store.VIEW}) AS live
        FULL JOIN (SELECT student_id, department, {view_store.ROW_TEXT} AS said FROM {REBUILT}) AS rebuilt
            USING (student_id, department)
        WHERE live.said IS DISTINCT FROM rebuilt.said
        """
    )
    return count


# When a status was first heard is not in the topic: it is kept where both views hold the same version.
_KEEP_HEARD: Final = f"""
UPDATE {REBUILT} AS rebuilt SET heard_at = live.heard_at FROM {view_store.VIEW} AS live
WHERE (live.student_id, live.department, live.version)
    = (rebuilt.student_id, rebuilt.department, rebuilt.version)
"""


async def _switch(connection: Connection) -> None:
    """Put the rebuilt table in the live one's place. Views follow a table, not its name, so they are said again."""
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
    for index in indexes:
        name = index["indexname"]
        await connection.execute(f'ALTER INDEX "{name}" RENAME TO "{name.replace(REBUILT, view_store.VIEW, 1)}"')
    await notify(connection)


@asynccontextmanager
async def _alone(dsn: str) -> AsyncIterator[Connection]:
    session = {"application_name": "clearance.rebuild", "statement_timeout": "600000", "lock_timeout": "30000"}
    connection = await asyncpg.connect(dsn, timeout=10, server_settings={**session, "timezone": "UTC"})
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", AdvisoryLock.VIEW_REBUILD):
            raise RebuildFailed("another rebuild of this view is running: wait for its end.")
        yield connection
    finally:
        await connection.close(timeout=5)


@asynccontextmanager
async def _reading(kafka: str, topics: Mapping[str, str]) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of no group, at the start of every partition."""
    read_any_header_name()
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=kafka,
        client_id="clearance.rebuild",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=20,
    )
    try:
        await consumer.start()
        await consumer.seek_to_beginning()
        yield consumer
    except KafkaError as error:
        raise RebuildFailed(f"the broker does not do its part: {type(error).__name__}") from error
    finally:
        await consumer.stop()
