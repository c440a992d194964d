"""Kafka consumer into PostgreSQL: work, offsets and dead letters in one transaction.

The database's offsets count; Kafka's only show lag. Unreadable records are dead-lettered, other failures retried, stuck
consumers replaced.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from services.kit.cancelling import ended
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.aiokafka_internals import abandon_consumer, cluster_of, pace_fetches, patch_consumers
from services.kit.messaging.cluster_metrics import ClusterMetrics
from services.kit.messaging.consumer_state import ConsumerState
from services.kit.messaging.dead_letters.limit import DeadLetterLimit, DeadLetterLimitExceeded
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.log_positions.log_identity import LogChanged, Loss
from services.kit.messaging.log_positions.offsets import DATABASE_OLDER, StoredPosition, stored_positions
from services.kit.messaging.log_positions.positions import OnLoss, StoredPositions, no_loss
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.unit_of_work import ApplyAtOnce, SetAside, UnitOfWork, nothing
from services.kit.observability import metrics
from services.kit.postgres.pool import DATABASE_ERRORS

STUCK_AFTER_S: Final = 60.0
_WATCH_EVERY_S: Final = 1.0
_CONFIRM_AFTER_S: Final = 5.0
_CATCH_UP_EVERY_S: Final = 0.2
_PROBE_BROKER_EVERY_S: Final = 5.0
_PROBE_BROKER_TIMEOUT_S: Final = 5.0
_CHECK_LOGS_TIMEOUT_S: Final = 15.0
_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 5.0
_METADATA_AGE_MS: Final = 10_000
"""By then a topic that was made anew is known. A request takes the broker less than a millisecond."""
_log = structlog.get_logger(__name__)


class ConsumerStuck(RuntimeError):
    """There are records, and none has been committed for a while."""


class TransactionalConsumer:
    """`name` labels the metrics."""

    def __init__(
        self,
        router: TransactionalRouter,
        *,
        name: str,
        pool: "asyncpg.Pool[Any]",
        kafka: KafkaConnection,
        limit: DeadLetterLimit | None = None,
        after_commit: Callable[[], None] = lambda: None,
        relay: Wakeup | None = None,
        set_aside: SetAside = nothing,
        at_once: ApplyAtOnce | None = None,
        on_loss: OnLoss = no_loss,
    ) -> None:
        self.group, self.subscriber = router.group, router.subscription
        self.state = ConsumerState()
        self._name, self._pool = name, pool
        self._positions = StoredPositions(
            pool, self.group, lambda: self.subscriber.consumer, kafka=kafka, on_loss=on_loss
        )
        self.subscriber.attach(self._positions)
        self._broker = KafkaBroker(
            **kafka.broker_options(),
            client_id=self.group,
            logger=None,
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=0.5,
            metadata_max_age_ms=_METADATA_AGE_MS,
        )
        self._broker.include_router(router)
        self.units = [
            UnitOfWork(
                pool=pool,
                positions=self._positions,
                apply=self.subscriber.apply,
                limit=limit or DeadLetterLimit(),
                after_commit=after_commit,
                state=self.state,
                relay=relay,
                set_aside=set_aside,
                at_once=at_once,
            )
            for _ in range(self.subscriber.workers)
        ]
        for topic in self.subscriber.topic_names:
            metrics.DEAD_LETTERS.add(0, {"group": self.group, "topic": topic})
            for loss in Loss:
                metrics.LOG_LOSSES.add(0, {"group": self.group, "topic": topic, "cause": loss.value})
        self._cluster = ClusterMetrics(name)
        metrics.CONSUMER_LAG.set(0, {"consumer": name})

    async def run(self) -> None:
        """Raises `ConsumerStuck`, `LogChanged`, and the broker's errors at the start and instead of records.

        Over its dead-letter limit it leaves the group for good: another member's decoder may work.
        """
        patch_consumers()
        self.state.restart()
        try:
            await self._consume()
        except DeadLetterLimitExceeded as error:
            self.state.stopped = str(error)
            _log.critical("consumer.stopped", group=self.group, reason=str(error))
        await asyncio.Event().wait()

    async def _consume(self) -> None:
        self._positions.positioned.clear()
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await self._broker.start()
            consumer = self.subscriber.consumer
            if consumer is None:
                raise ConsumerStuck("the consumer did not start")
            pace_fetches(consumer, self.subscriber.pause_s)
            self.state.broker_answered_at = time.monotonic()
            tasks = [asyncio.create_task(each) for each in (self._watch(consumer), self.subscriber.refused())]
            tasks += [
                asyncio.create_task(self.subscriber.work(number, unit.run)) for number, unit in enumerate(self.units)
            ]
            first, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            first.pop().result()
        finally:
            # It is supervised and starts again by itself: a restart of the process would not help.
            self.state.watched_at = 0.0
            await ended(tasks)
            await self._stop()

    async def _stop(self) -> None:
        """In bounded time: one that waits for itself would keep its partitions from those who read on."""
        consumer = self.subscriber.consumer
        stopping = asyncio.create_task(self._broker.stop())
        try:
            await asyncio.wait({stopping}, timeout=_STOP_TIMEOUT_S)
            if not stopping.done() or stopping.cancelled() or stopping.exception() is not None:
                _log.warning("consumer.abandoned", group=self.group)
                await ended([stopping])
                if consumer is not None:
                    await abandon_consumer(consumer)
        finally:
            stopping.cancel()
            self.subscriber.consumer = None

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        committed: dict[TopicPartition, int] = {}
        while True:
            self.state.watched_at = time.monotonic()
            await asyncio.sleep(_WATCH_EVERY_S)
            self._measure_lag(consumer)
            await self._check_progress(consumer)
            await self._commit_to_kafka(consumer, committed)

    def _measure_lag(self, consumer: AIOKafkaConsumer) -> None:
        ends = {partition: consumer.highwater(partition) or 0 for partition in consumer.assignment()}
        offsets = self.state.next_offsets
        self.state.lag = sum(max(0, end - offsets.get(partition, end)) for partition, end in ends.items())
        metrics.CONSUMER_LAG.set(self.state.lag, {"consumer": self._name})
        self._cluster.measure(ends, cluster_of(consumer), self.state.broker_answered_at)

    async def _check_progress(self, consumer: AIOKafkaConsumer) -> None:
        if self.state.failing:
            # The unit of work retries while the database fails; a new consumer would not help.
            self.state.advanced_at = time.monotonic()
        since_s = time.monotonic() - self.state.broker_answered_at
        if since_s > _PROBE_BROKER_EVERY_S:
            await self._check_logs()
            await self._check_database()
            if await _broker_answers(consumer):
                self.state.broker_answered_at = time.monotonic()
        if time.monotonic() - self.state.advanced_at > STUCK_AFTER_S:
            advanced_at = self.state.advanced_at
            if await self._is_behind():
                # The ends are told behind a fetch that waits: after a quiet time, just when a record has come.
                await asyncio.sleep(_CONFIRM_AFTER_S)
                if self.state.advanced_at == advanced_at and await self._is_behind():
                    raise ConsumerStuck(f"{self.group}: no progress for {STUCK_AFTER_S:.0f} s though there are records")
            self.state.advanced_at = time.monotonic()

    async def _check_logs(self) -> None:
        try:
            async with asyncio.timeout(_CHECK_LOGS_TIMEOUT_S):
                await self._positions.check(self.state.positions)
        except (KafkaError, TimeoutError, OSError) as error:
            _log.info("log_check.deferred", group=self.group, error=type(error).__name__)

    async def _check_database(self) -> None:
        """A database may be restored under a running consumer: it reads again what the database has lost."""
        committed = dict(self.state.next_offsets)
        try:
            stored = await stored_positions(self._pool, self.group)
        except DATABASE_ERRORS:
            return
        if any(stored.get(part, StoredPosition()).next_offset < offset for part, offset in committed.items()):
            raise LogChanged(DATABASE_OLDER)

    async def caught_up(self) -> None:
        """Returns once the whole group has committed what stood in its topics when they first answered.

        What comes later is not waited for: under load there is always something.
        """
        asked: dict[TopicPartition, int] = {}
        while True:
            with suppress(KafkaError, *DATABASE_ERRORS):
                ends = await self._ends()
                # A log that was cut or made anew ends earlier.
                asked = {part: min(asked.get(part, end), end) for part, end in ends.items()}
                if asked and not await self._is_before(asked):
                    return
            await asyncio.sleep(_CATCH_UP_EVERY_S)

    async def is_caught_up(self) -> bool:
        """False also while the broker or the database does not answer."""
        try:
            return not await self._is_behind()
        except (KafkaError, *DATABASE_ERRORS):
            return False

    async def _commit_to_kafka(self, consumer: AIOKafkaConsumer, committed: dict[TopicPartition, int]) -> None:
        """Commit our positions to Kafka, for its tools.

        Not while rebalancing: aiokafka would forget the joining member, and the group would rejoin again.
        """
        due = {
            partition: offset
            for partition, offset in self.state.next_offsets.items()
            if partition in self._positions.positioned and committed.get(partition) != offset
        }
        if not due:
            return
        try:
            await consumer.commit(due)
            committed.update(due)
        except KafkaError as error:
            _log.info("kafka_commit.refused", group=self.group, error=type(error).__name__)

    async def _is_behind(self) -> bool:
        """The whole group, not this member."""
        ends = await self._ends()
        return not ends or await self._is_before(ends)

    async def _ends(self) -> dict[TopicPartition, int]:
        """Of its topics; empty while they are not known."""
        consumer = self.subscriber.consumer
        if consumer is None or not (partitions := _partitions(consumer)):
            return {}
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return ends

    async def _is_before(self, offsets: Mapping[TopicPartition, int]) -> bool:
        stored = await stored_positions(self._pool, self.group)
        return any(offset > stored.get(part, StoredPosition()).next_offset for part, offset in offsets.items())


async def _broker_answers(consumer: AIOKafkaConsumer) -> bool:
    """aiokafka polls on silently when it does not."""
    partitions = _partitions(consumer)
    try:
        async with asyncio.timeout(_PROBE_BROKER_TIMEOUT_S):
            await consumer.end_offsets(partitions[:1])
    except (KafkaError, TimeoutError, OSError):
        return False
    return bool(partitions)


def _partitions(consumer: AIOKafkaConsumer) -> list[TopicPartition]:
    return [
        TopicPartition(topic, number)
        for topic in sorted(consumer.subscription())
        for number in consumer.partitions_for_topic(topic) or ()
    ]
