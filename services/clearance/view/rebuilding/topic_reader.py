"""Reads partitions of the status topics from their start, one after another, never beyond a frontier."""

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.aiokafka_internals import patch_consumers

BATCH: Final = 5000
FETCHED_AHEAD: Final = 4
"""Partitions that are fetched while one is read: the next ones wait in memory as the broker sent them."""
FETCH_BYTES: Final = 4 * 1024 * 1024
"""Of one partition. With aiokafka's megabyte every 2,000 records wait for the broker."""
STALLED_AFTER_S: Final = 30.0
Frontier = dict[TopicPartition, int]
"""Next offset of each partition."""


class RebuildFailed(Exception):
    """The live view is unchanged."""


class TopicReader:
    """`progress` gets offsets done and in all."""

    def __init__(self, consumer: AIOKafkaConsumer, progress: Callable[[int, int], None]) -> None:
        self._consumer, self._progress = consumer, progress
        self._at: Frontier = dict.fromkeys(consumer.assignment(), 0)
        self.records = 0

    async def up_to(self, frontier: Frontier) -> AsyncIterator[AsyncIterator[list[ConsumerRecord]]]:
        """Of each partition with something left: its records in their order, which are to be read before the next.

        Raises `RebuildFailed` for a topic shorter than the frontier, or when nothing arrives for a while.
        """
        await self._check_ends(frontier)
        behind = sorted(part for part, target in frontier.items() if self._at.get(part, 0) < target)
        for number, part in enumerate(behind):
            fetched = behind[number : number + FETCHED_AHEAD]
            self._consumer.pause(*self._at.keys() - fetched)
            self._consumer.resume(*fetched)
            yield self._read(part, frontier)

    async def _read(self, part: TopicPartition, frontier: Frontier) -> AsyncIterator[list[ConsumerRecord]]:
        moved_s = time.monotonic()
        while self._at[part] < frontier[part]:
            records = await self._poll(part, frontier[part])
            if records:
                self.records += len(records)
                yield records
                moved_s = time.monotonic()
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

    async def _poll(self, part: TopicPartition, target: int) -> list[ConsumerRecord]:
        polled = (await self._consumer.getmany(part, timeout_ms=500, max_records=BATCH)).get(part, [])
        records = [record for record in polled if record.offset < target]
        if len(records) < len(polled):
            self._consumer.seek(part, target)
        # Offsets before the position may have been compacted away: then there is nothing left to read.
        self._at[part] = max(self._at[part], min(target, await self._consumer.position(part)))
        if self._at[part] == target:
            # Else the next fetch asks for what comes behind, and waits for it at the broker.
            self._consumer.pause(part)
        return records


@asynccontextmanager
async def consumer_of(kafka: KafkaConnection, topics: Collection[str]) -> AsyncIterator[AIOKafkaConsumer]:
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
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        await consumer.start()
        await consumer.seek_to_beginning()
        yield consumer
    except KafkaError as error:
        raise RebuildFailed(f"the broker failed: {type(error).__name__}") from error
    finally:
        await consumer.stop()
