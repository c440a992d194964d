"""Seeks assigned partitions to their stored positions, and starts those over whose log is not the same any more."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from services.kit.backoff import Backoff
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.log_positions.log_identity import LogChanged, Loss, fingerprints_at
from services.kit.messaging.log_positions.offsets import (
    NextPosition,
    StoredPosition,
    adopt,
    start_over,
    stored_positions,
)
from services.kit.messaging.log_positions.topic_metadata import TopicMetadata, topic_metadata
from services.kit.observability import metrics
from services.kit.postgres.pool import DATABASE_ERRORS, Connection
from services.kit.runtime.failpoints import failpoint

OnLoss = Callable[[Connection, TopicPartition], Awaitable[None]]
_RETRY_S: Final = (0.1, 10.0)
_log = structlog.get_logger(__name__)


async def no_loss(_: Connection, __: TopicPartition) -> None: ...


class StoredPositions(ConsumerRebalanceListener):  # type: ignore[misc]
    """`on_loss` takes part in the transaction that starts a position over."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        group: str,
        consumer: Callable[[], AIOKafkaConsumer | None],
        *,
        kafka: KafkaConnection,
        on_loss: OnLoss = no_loss,
    ) -> None:
        self.group = group
        self._pool, self._consumer = pool, consumer
        self._kafka, self._on_loss = kafka, on_loss
        self.positioned: set[TopicPartition] = set()
        """Until then aiokafka may fetch from a position of its own."""
        self.topic_ids: dict[str, UUID] = {}
        self.resets: dict[TopicPartition, int] = {}
        self._leader_epochs: dict[TopicPartition, int] = {}

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        failpoint("consumer.in_revoke")
        self.positioned.clear()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        backoff = Backoff(*_RETRY_S)
        while assigned:
            try:
                await self._seek(assigned)
            except (KafkaError, *DATABASE_ERRORS) as error:
                delay_s = backoff.next_s
                _log.warning("positions.retried", group=self.group, error=type(error).__name__, delay_s=delay_s)
                await backoff.wait()
            else:
                return

    async def check(self, positions: Mapping[TopicPartition, NextPosition]) -> None:
        """While reading, `positions` being those committed here. Raises `LogChanged`, and what the broker raises."""
        consumer = self._consumer()
        if consumer is None or not self.positioned:
            return
        found = await topic_metadata(consumer._client, sorted({part.topic for part in self.positioned}))
        if any(found[topic].topic_id != self.topic_ids.get(topic) for topic in found):
            raise LogChanged("a topic was made anew")
        epochs = {part: _epoch(found, part) for part in self.positioned if part.topic in found}
        elected = {part for part, epoch in epochs.items() if epoch != self._leader_epochs.get(part)}
        if elected:
            stood = {
                part: StoredPosition(at.next_offset, self.topic_ids[part.topic], at.last_record)
                for part, at in positions.items()
                if part in elected
            }
            if await self._losses(consumer, stood, found):
                raise LogChanged("a log was cut")
            self._leader_epochs.update({part: epochs[part] for part in elected})

    async def _seek(self, assigned: set[TopicPartition]) -> None:
        consumer = self._consumer()
        if consumer is None:
            return
        found = await topic_metadata(consumer._client, sorted({part.topic for part in assigned}))
        self.topic_ids.update({topic: each.topic_id for topic, each in found.items()})
        await adopt(self._pool, self.group, self.topic_ids)
        stored = await stored_positions(self._pool, self.group)
        held = {part: at for part, at in stored.items() if part in assigned and part.topic in found}
        losses = await self._losses(consumer, held, found)
        for part in assigned:
            at = stored.get(part, StoredPosition())
            position, self.resets[part] = at.next_offset, at.resets
            if part in losses:
                position, self.resets[part] = 0, await self._start_over(part, at, losses[part])
            self._leader_epochs[part] = _epoch(found, part)
            consumer.seek(part, position)
            self.positioned.add(part)

    async def _losses(
        self,
        consumer: AIOKafkaConsumer,
        held: Mapping[TopicPartition, StoredPosition],
        found: Mapping[str, TopicMetadata],
    ) -> dict[TopicPartition, Loss]:
        held = {part: at for part, at in held.items() if at.next_offset}
        losses = {part: Loss.RECREATED for part, at in held.items() if at.topic_id != found[part.topic].topic_id}
        same = {part: at for part, at in held.items() if part not in losses}
        if not same:
            return losses
        begins, ends = await consumer.beginning_offsets(list(same)), await consumer.end_offsets(list(same))
        losses |= {part: Loss.TRUNCATED for part, at in same.items() if at.next_offset > ends[part]}
        losses |= {part: Loss.EXPIRED for part, at in same.items() if at.next_offset < begins[part]}
        before = {
            part: at.next_offset - 1
            for part, at in same.items()
            if part not in losses and at.last_record is not None and at.next_offset > begins[part]
        }
        stands = await fingerprints_at(self._kafka, before) if before else {}
        return losses | {part: Loss.TRUNCATED for part, mark in stands.items() if mark != held[part].last_record}

    async def _start_over(self, part: TopicPartition, at: StoredPosition, loss: Loss) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            resets = await start_over(connection, self.group, part, self.topic_ids[part.topic])
            await self._on_loss(connection, part)
        metrics.LOG_LOSSES.add(1, {"group": self.group, "topic": part.topic, "cause": loss.value})
        _log.critical(
            "log.changed",
            group=self.group,
            topic=part.topic,
            partition=part.partition,
            cause=loss.value,
            position=at.next_offset,
        )
        return resets


def _epoch(found: Mapping[str, TopicMetadata], part: TopicPartition) -> int:
    return found[part.topic].leader_epochs.get(part.partition, -1) if part.topic in found else -1
