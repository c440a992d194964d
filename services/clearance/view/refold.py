"""Folds the status topics from their start into a second table, up to a frontier."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.types import highest_plausible_version
from services.clearance.view import view_store
from services.clearance.view.fold import fold_batch
from services.clearance.view.records import Position
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.aiokafka_internals import patch_consumers
from services.kit.postgres.pool import Connection

BATCH: Final = 5000
STALLED_AFTER_S: Final = 30.0
Frontier = dict[TopicPartition, int]
"""Next offset of each partition."""


class RebuildFailed(Exception):
    """The live view is unchanged."""


class TopicFold:
    """Folds every partition into `table`, never beyond the frontier.

    `topics`: topic → department. `discarded` positions hide nothing. `progress` gets offsets done and in all.
    """

    def __init__(
        self,
        connection: Connection,
        consumer: AIOKafkaConsumer,
        table: str,
        topics: Mapping[str, str],
        discarded: frozenset[Position],
        progress: Callable[[int, int], None],
    ) -> None:
        self._connection, self._consumer, self._table, self._topics = connection, consumer, table, topics
        self._discarded, self._progress = discarded, progress
        self._at: Frontier = dict.fromkeys(consumer.assignment(), 0)
        self.records = 0

    async def up_to(self, frontier: Frontier) -> None:
        """Raises `RebuildFailed` for a topic shorter than the frontier, or when nothing arrives for a while."""
        frontier = {part: target for part, target in frontier.items() if part.topic in self._topics}
        await self._check_ends(frontier)
        moved_s = time.monotonic()
        while behind := {part: target for part, target in frontier.items() if self._at[part] < target}:
            records = await self._poll(behind)
            if records:
                moved_s = time.monotonic()
                await self._store(records)
                self._progress(sum(self._at.values()), sum(frontier.values()))
            elif time.monotonic() - moved_s > STALLED_AFTER_S:
                raise RebuildFailed(f"nothing was read for {STALLED_AFTER_S:.0f} s: check the broker.")

    async def _check_ends(self, frontier: Frontier) -> None:
        ends = await self._consumer.end_offsets(list(self._at))
        for part, target in frontier.items():
            if ends.get(part, 0) < target:
                raise RebuildFailed(
                    f"{part.topic} [{part.partition}] ends at {ends.get(part, 0)}, before the live view's {target}: "
                    "the topic was created anew. Have the departments publish all statuses again first."
                )

    async def _poll(self, behind: Frontier) -> list[ConsumerRecord]:
        self._consumer.pause(*(part for part in self._at if part not in behind))
        self._consumer.resume(*behind)
        polled = await self._consumer.getmany(timeout_ms=500, max_records=BATCH)
        records = [record for part, some in polled.items() for record in self._until(part, some, behind[part])]
        for part, target in behind.items():
            # Offsets before the position may have been compacted away: then there is nothing left to read.
            self._at[part] = max(self._at[part], min(target, await self._consumer.position(part)))
        return records

    def _until(self, part: TopicPartition, records: list[ConsumerRecord], target: int) -> list[ConsumerRecord]:
        wanted = [record for record in records if record.offset < target]
        if len(wanted) < len(records):
            self._consumer.seek(part, target)
        return wanted

    async def _store(self, records: list[ConsumerRecord]) -> None:
        highest = highest_plausible_version(time.time())
        batch = fold_batch(records, self._topics, discarded=self._discarded, highest_version=highest)
        await view_store.forget(self._connection, batch.forgotten, table=self._table)
        await view_store.apply_rows(self._connection, batch.rows, now=datetime.now(UTC), table=self._table)
        self.records += len(records)


@asynccontextmanager
async def consumer_of(kafka: KafkaConnection, topics: Mapping[str, str]) -> AsyncIterator[AIOKafkaConsumer]:
    """Without a group, at the start of every partition. Broker errors become `RebuildFailed`."""
    patch_consumers()
    consumer = AIOKafkaConsumer(
        *topics,
        **kafka.options(),
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
        raise RebuildFailed(f"the broker failed: {type(error).__name__}") from error
    finally:
        await consumer.stop()
