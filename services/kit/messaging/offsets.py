"""Consumer offsets, advanced in the transaction of the work."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.kit.backoff import Backoff
from services.kit.postgres.pool import Connection
from services.kit.runtime.failpoints import failpoint

Records = Sequence[ConsumerRecord]

_RETRY_S: Final = (0.1, 10.0)
_log = structlog.get_logger(__name__)


class StoredPositions(ConsumerRebalanceListener):  # type: ignore[misc]
    """Seeks assigned partitions to their stored offsets.

    An offset beyond the end means a recreated topic, read from its start.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        group: str,
        consumer: Callable[[], AIOKafkaConsumer | None],
    ) -> None:
        self._pool, self._group, self._consumer = pool, group, consumer
        self.positioned: set[TopicPartition] = set()
        """Until then aiokafka may fetch from a position of its own."""

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        failpoint("consumer.in_revoke")
        self.positioned.clear()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        backoff = Backoff(*_RETRY_S)
        while assigned:
            try:
                await self._seek(assigned)
            except (OSError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                delay_s = backoff.next_s
                _log.warning("positions.retried", group=self._group, error=type(error).__name__, delay_s=delay_s)
                await backoff.wait()
            else:
                return

    async def _seek(self, assigned: set[TopicPartition]) -> None:
        consumer = self._consumer()
        if consumer is None:
            return
        stored = await stored_offsets(self._pool, self._group)
        ends = await consumer.end_offsets(assigned)
        for part in assigned:
            position = stored.get(part, 0)
            if position > ends[part]:
                _log.critical("topic.recreated", topic=part.topic, partition=part.partition, position=position)
                await self._pool.execute(
                    "DELETE FROM consumer_offset WHERE consumer = $1 AND topic = $2 AND partition = $3",
                    self._group,
                    part.topic,
                    part.partition,
                )
                position = 0
            consumer.seek(part, position)
            self.positioned.add(part)


def next_offsets(records: Records) -> dict[TopicPartition, int]:
    """`records` ascend within a partition."""
    last = {(record.topic, record.partition): record.offset for record in records}
    return {TopicPartition(*part): offset + 1 for part, offset in last.items()}


async def save_offsets(connection: Connection, group: str, following: dict[TopicPartition, int]) -> None:
    parts = sorted(following)
    await connection.execute(
        """
        INSERT INTO consumer_offset AS stored (consumer, topic, partition, next_offset)
        SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[])
        ON CONFLICT (consumer, topic, partition)
        DO UPDATE SET next_offset = greatest(stored.next_offset, excluded.next_offset)
        """,
        group,
        [part.topic for part in parts],
        [part.partition for part in parts],
        [following[part] for part in parts],
    )


async def lock_unseen(connection: Connection, group: str, records: Records) -> Records:
    """Lock the offsets, and drop records another member committed before a rebalance."""
    first = {(record.topic, record.partition): record.offset for record in reversed(records)}
    parts = sorted(first)
    rows = await connection.fetch(
        """
        SELECT topic, partition, next_offset FROM consumer_offset
        WHERE consumer = $1 AND (topic, partition) IN (SELECT * FROM unnest($2::text[], $3::int[]))
        ORDER BY topic, partition FOR UPDATE
        """,
        group,
        [topic for topic, _ in parts],
        [partition for _, partition in parts],
    )
    stored = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    if all(offset >= stored.get(part, 0) for part, offset in first.items()):
        return records
    return [record for record in records if record.offset >= stored.get((record.topic, record.partition), 0)]


async def stored_offsets(pool: "asyncpg.Pool[Any]", group: str) -> dict[TopicPartition, int]:
    rows = await pool.fetch("SELECT topic, partition, next_offset FROM consumer_offset WHERE consumer = $1", group)
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
