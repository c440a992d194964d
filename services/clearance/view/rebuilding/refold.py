"""Folds the status topics from their start into a rebuilt table: first in memory, then where the table stands.

A partition's rows are put together in memory and copied when it ends, while the next one is read. Most records of a
topic are replaced by later ones, and never reach the database.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aiokafka import ConsumerRecord

from schemas.types import highest_plausible_version
from services.clearance.view.fold import TOGETHER, fold_batch, read_together
from services.clearance.view.rebuilding.partition_rows import PartitionRows
from services.clearance.view.rebuilding.rebuilt_table import RebuiltTable
from services.clearance.view.rebuilding.topic_reader import Frontier, TopicReader
from services.clearance.view.records import Position
from services.kit.cancelling import ended

MOST_IN_MEMORY: Final = 200_000
"""Students whose rows of one partition are in memory, about a kilobyte each; as many again while they are stored."""


class TopicFold:
    """`topics`: topic → department. `discarded` positions hide nothing."""

    def __init__(
        self, reader: TopicReader, table: RebuiltTable, topics: Mapping[str, str], discarded: frozenset[Position]
    ) -> None:
        self._reader, self._table, self._topics, self._discarded = reader, table, topics, discarded

    async def load(self, frontier: Frontier, *, most_in_memory: int) -> None:
        """Once, into the empty table. Raises `RebuildFailed`, as `catch_up` does. `most_in_memory`: students."""
        storing = _Storing(self._table)
        try:
            async for partition in self._reader.up_to(self._known(frontier)):
                kept = PartitionRows()
                async for records in partition:
                    await self._fold(kept, records)
                    if len(kept) >= most_in_memory:
                        await storing.begin(kept)
                        kept = PartitionRows()
                await storing.begin(kept)
            await storing.end()
        finally:
            await storing.abandon()

    async def catch_up(self, frontier: Frontier) -> None:
        """What has come since, merged with what the table has."""
        async for partition in self._reader.up_to(self._known(frontier)):
            async for records in partition:
                highest = highest_plausible_version(time.time())
                batch = fold_batch(records, self._topics, discarded=self._discarded, highest_version=highest)
                await self._table.merge(batch.forgotten, batch.rows, now=datetime.now(UTC))

    async def _fold(self, kept: PartitionRows, records: list[ConsumerRecord]) -> None:
        highest = highest_plausible_version(time.time())
        for at in range(0, len(records), TOGETHER):
            # What is stored or fetched meanwhile goes on.
            await asyncio.sleep(0)
            some = records[at : at + TOGETHER]
            known = read_together(some, self._topics, highest)
            rows = [row for row in known if row is not None]
            if len(rows) < len(some):
                batch = fold_batch(some, self._topics, discarded=self._discarded, highest_version=highest, known=known)
                kept.forget(batch.forgotten)
                rows = batch.rows
            kept.apply(rows)

    def _known(self, frontier: Frontier) -> Frontier:
        return {part: target for part, target in frontier.items() if part.topic in self._topics}


class _Storing:
    """One after another, beside what is read meanwhile."""

    def __init__(self, table: RebuiltTable) -> None:
        self._table = table
        self._task: asyncio.Task[None] | None = None

    async def begin(self, kept: PartitionRows) -> None:
        """As soon as what was begun before has ended."""
        await self.end()
        self._task = asyncio.create_task(self._table.load(kept, now=datetime.now(UTC)))

    async def end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await task

    async def abandon(self) -> None:
        if self._task is not None:
            await ended([self._task])
