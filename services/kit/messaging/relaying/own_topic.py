"""What a service has published, read back before its relay sends: is the database older than that, or was that lost?

Alive marks are numbered in the database before they are published, and only by the relay that leads. So a topic with a
higher number than the database knows more, whatever was written since; and so does one with events behind its last
mark that the database does not have.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.codec import Unreadable, read
from schemas.events import SourceAlive
from schemas.topics import ALIVE_KEY
from schemas.types import is_plausible_version
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.aiokafka_internals import patch_consumers
from services.kit.postgres.leadership import LeaderSession

_TAIL: Final = 2000
"""Records of a partition in which its last mark is looked for first."""
_AT_ONCE: Final = 5000
_READ_WITHIN_S: Final = 300.0
_log = structlog.get_logger(__name__)

Newest = Mapping[bytes, ConsumerRecord]
"""Key → its last record."""


class PublishedLog(Protocol):
    """What a service says of its own topic."""

    topic: str
    marked: bool
    """Whether alive marks are published on it; without any, all of it is read."""

    def version_of(self, record: ConsumerRecord) -> int:
        """0 for one that no reader accepts."""
        ...

    async def knows(self, newest: Newest) -> bool:
        """Whether the database has each of these, or something newer."""
        ...

    async def fell_behind(self, highest: int) -> None:
        """The database is older than its topic, where `highest` is the highest version."""
        ...

    async def lost(self, partitions: Sequence[int]) -> None:
        """Records of these partitions are gone."""
        ...


@dataclass(frozen=True, slots=True)
class Tail:
    """Of one partition. `mark`: number of its last alive mark, 0 if there is none. `behind`: the records after it."""

    mark: int
    behind: tuple[ConsumerRecord, ...]


async def compare_with_topic(session: LeaderSession, kafka: KafkaConnection, log: PublishedLog) -> None:
    """Raises what the broker raises: then nothing can be sent either."""
    row = await session.fetchrow("SELECT number, acknowledged FROM alive_mark WHERE topic = $1", log.topic)
    number, acknowledged = (row["number"], row["acknowledged"]) if row else (0, 0)
    async with asyncio.timeout(_READ_WITHIN_S), reader_of(kafka, log.topic) as consumer:
        tails = await _tails(consumer, whole=not log.marked)
        behind_marks = chain.from_iterable(tail.behind for tail in tails.values())
        newest = {record.key: record for record in behind_marks if record.key not in (None, ALIVE_KEY)}
        marked = max(tail.mark for tail in tails.values())
        behind = marked > number or not await log.knows(newest)
        highest = await _highest_version(consumer, log) if behind else 0
    lost = [part for part, tail in sorted(tails.items()) if tail.mark < acknowledged]
    if behind:
        await log.fell_behind(highest)
    elif lost:
        _log.critical("topic.emptied", topic=log.topic, partitions=lost)
        await log.lost(lost)
    if marked > number or lost:
        await session.execute(_ADOPT, log.topic, max(marked, number))


@asynccontextmanager
async def reader_of(kafka: KafkaConnection, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    patch_consumers()
    consumer = AIOKafkaConsumer(
        *topics,
        **kafka.options(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=50,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _tails(consumer: AIOKafkaConsumer, *, whole: bool) -> dict[int, Tail]:
    parts = sorted(consumer.assignment())
    begins, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
    starts = {part: begins[part] if whole else max(begins[part], ends[part] - _TAIL) for part in parts}
    tails: dict[int, Tail] = {}
    while starts:
        for part, records in (await records_between(consumer, starts, ends)).items():
            marks = [number for number, record in enumerate(records) if record.key == ALIVE_KEY]
            if marks or starts[part] <= begins[part]:
                after = records[marks[-1] + 1 :] if marks else records
                tails[part.partition] = Tail(_number_of(records[marks[-1]]) if marks else 0, tuple(after))
        # A load of rows stands between the last mark and the end.
        starts = {part: begins[part] for part in starts if part.partition not in tails}
    return tails


async def records_between(
    consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, list[ConsumerRecord]]:
    found: dict[TopicPartition, list[ConsumerRecord]] = {part: [] for part in starts}
    async for records in _polled(consumer, starts, ends):
        for record in records:
            found[TopicPartition(record.topic, record.partition)].append(record)
    return found


async def _polled(
    consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> AsyncIterator[list[ConsumerRecord]]:
    consumer.pause(*(consumer.assignment() - starts.keys()))
    for part, offset in starts.items():
        consumer.resume(part)
        consumer.seek(part, offset)
    unread = {part for part in starts if starts[part] < ends[part]}
    while unread:
        polled = await consumer.getmany(timeout_ms=200, max_records=_AT_ONCE)
        yield [record for part, some in polled.items() for record in some if record.offset < ends[part]]
        # Offsets may have been compacted away: then there is nothing left to read.
        unread = {part for part in unread if await consumer.position(part) < ends[part]}


async def _highest_version(consumer: AIOKafkaConsumer, log: PublishedLog) -> int:
    parts = sorted(consumer.assignment())
    begins, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
    highest = 0
    async for records in _polled(consumer, begins, ends):
        highest = max(highest, *(log.version_of(record) for record in records if record.key != ALIVE_KEY), 0)
    return highest


def _number_of(record: ConsumerRecord) -> int:
    try:
        event = read(record.value, record.headers)
    except Unreadable:
        return 0
    number = event.number or 0 if isinstance(event, SourceAlive) else 0
    return number if is_plausible_version(number, time.time()) else 0


_ADOPT: Final = """
INSERT INTO alive_mark AS known (topic, number) VALUES ($1, $2)
ON CONFLICT (topic) DO UPDATE SET number = greatest(known.number, excluded.number), acknowledged = 0
"""
