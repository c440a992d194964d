"""Reading from Kafka into a database: the work, the positions and the dead letters in one transaction.

FastStream is the shell (connection, group, batches); the raw records reach us untouched, because a typed handler
would refuse a bad message before we could park it. A bad message is parked and the rest goes on; a bad moment is
waited out and the same batch taken again: never skipped, never spun on. Kafka's own offsets are only a hint for
tools that show lag: on assignment the consumer goes where the database says.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage

from services.kit.messaging.aiokafka_headers import read_any_header_name
from services.kit.messaging.dead_letters import ApplyBatch, DeadLetter, store_dead_letters
from services.kit.messaging.offsets import (
    Records,
    StoredPositions,
    lock_unseen,
    next_offsets,
    save_offsets,
    stored_offsets,
)
from services.kit.runtime.failpoints import failpoint
from services.kit.settings import SESSION_TIMEOUT_S

WAIT_S: Final = (0.1, 10.0)
STUCK_AFTER_S: Final = 60.0
_HINT_EVERY_S: Final = 1.0
_POLL_MS: Final = 1000
_ASK_EVERY_S: Final = 5.0
_ASK_S: Final = 5.0
_log = structlog.get_logger(__name__)


class ConsumerStuck(RuntimeError):
    """There is something to read and nothing moves: the consumer is thrown away and made anew."""


@dataclass(slots=True)
class ConsumerState:
    """What health and metrics read."""

    polled_at: float = 0.0
    turned_at: float = 0.0
    """When the watch over the consumer last turned."""
    answered_at: float = 0.0
    """When the broker last answered; 0 before the first time."""
    moved_at: float = 0.0
    lag: int = 0
    failing: str | None = None
    assigned: int = 0
    dead_letters: int = 0
    parts: dict[TopicPartition, int] = field(default_factory=dict)
    """Next offset of each partition this instance applied."""


class TransactionalConsumer:
    """One consumer group member that applies batches to a database.

    `lanes` batches are applied at once on as many connections, the partitions shared out between them by number, so
    that a partition's order is kept and two lanes never touch the same row of a producer's topic. `committed` is
    called after each commit: what the work put into the outbox need not wait for the relay to look.
    """

    def __init__(
        self,
        *,
        pool: "asyncpg.Pool[Any]",
        kafka: str,
        group: str,
        topics: Iterable[str],
        apply: ApplyBatch,
        lanes: int = 1,
        max_records: int = 500,
        session_timeout_s: float = SESSION_TIMEOUT_S,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool, self._kafka, self._group, self._apply = pool, kafka, group, apply
        self._topics = tuple(sorted(topics))
        self._max_records = max_records
        self._lanes = lanes
        self._session_timeout_ms = round(session_timeout_s * 1000)
        self._committed = committed
        self._queues: list[asyncio.Queue[Records]] = []
        self._placed: set[TopicPartition] = set()
        self.state = ConsumerState()

    async def run(self) -> None:
        """Read until cancelled. Raises `Stuck` or what the broker raised at start: its keeper starts it again."""
        read_any_header_name()
        self._queues = [asyncio.Queue(maxsize=1) for _ in range(self._lanes)]
        now = time.monotonic()
        self.state = ConsumerState(polled_at=now, answered_at=self.state.answered_at, moved_at=now)
        broker = KafkaBroker(
            self._kafka,
            client_id=self._group,
            logger=None,
            apply_types=False,
            allow_auto_create_topics=False,
            graceful_timeout=0.5,
            metadata_max_age_ms=30_000,
        )
        self._placed = set()
        positions = StoredPositions(self._pool, self._group, lambda: subscriber.consumer, self._placed)
        subscriber = broker.subscriber(
            *self._topics,
            group_id=self._group,
            batch=True,
            max_records=self._max_records * self._lanes,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=20,
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=self._session_timeout_ms // 4,
            rebalance_timeout_ms=60_000,
            max_poll_interval_ms=300_000,
            listener=positions,
            parser=_raw,
            decoder=_records,
        )
        subscriber(self._take)
        # FastStream's own sleeps after an empty poll, and what arrives meanwhile waits for nothing.
        subscriber.get_msg = self._poll  # type: ignore[method-assign]
        try:
            async with asyncio.TaskGroup() as tasks:
                for queue in self._queues:
                    tasks.create_task(self._work(queue))
                await _started(broker)
                consumer = subscriber.consumer
                if consumer is None:
                    raise ConsumerStuck("the consumer did not start")
                self.state.answered_at = time.monotonic()
                await self._watch(consumer)
        finally:
            await broker.stop()

    async def _poll(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        polled = await consumer.getmany(timeout_ms=_POLL_MS, max_records=self._max_records * self._lanes)
        self.state.polled_at = time.monotonic()
        return tuple(chain.from_iterable(some for part, some in polled.items() if part in self._placed))

    async def _take(self, records: Records) -> None:
        if self._lanes == 1:
            await self._queues[0].put(records)
            return
        shares: list[list[ConsumerRecord]] = [[] for _ in self._queues]
        for record in records:
            shares[record.partition % self._lanes].append(record)
        for queue, share in zip(self._queues, shares, strict=True):
            if share:
                await queue.put(share)

    async def _work(self, queue: "asyncio.Queue[Records]") -> None:
        while True:
            records = await queue.get()
            wait_s = WAIT_S[0]
            while True:
                try:
                    await self._store(records)
                except Exception as error:
                    self.state.failing = type(error).__name__
                    _log.warning("batch waits", group=self._group, error=type(error).__name__, wait_s=wait_s)
                    await asyncio.sleep(wait_s)
                    wait_s = min(wait_s * 2, WAIT_S[1])
                else:
                    self.state.failing = None
                    break

    async def _store(self, records: Records) -> None:
        failpoint("consumer.after_poll")
        parked: list[DeadLetter] = []
        following = next_offsets(records)
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                unseen = await lock_unseen(connection, self._group, records)
                if unseen:
                    await self._apply(connection, unseen, parked)
                if parked:
                    await store_dead_letters(connection, self._group, parked)
                await save_offsets(connection, self._group, following)
                failpoint("consumer.before_commit")
            failpoint("consumer.after_commit")
        self._committed()
        self.state.parts.update(following)
        self.state.moved_at = time.monotonic()
        self.state.dead_letters += len(parked)

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        """Hint our positions to Kafka, and notice a consumer that is alive and moves nothing."""
        hinted: dict[TopicPartition, int] = {}
        while True:
            self.state.turned_at = time.monotonic()
            await asyncio.sleep(_HINT_EVERY_S)
            assigned = consumer.assignment()
            self.state.assigned = len(assigned)
            ends = {part: consumer.highwater(part) for part in assigned}
            behind = {part: (end or 0) - self.state.parts.get(part, end or 0) for part, end in ends.items()}
            self.state.lag = sum(max(0, lag) for lag in behind.values())
            if self.state.failing:
                # A failing store is waited out by the lane, loudly; a new consumer would not mend it.
                self.state.moved_at = time.monotonic()
            if time.monotonic() - self.state.answered_at > _ASK_EVERY_S and await _answers(consumer, self._topics):
                self.state.answered_at = time.monotonic()
            if time.monotonic() - self.state.moved_at > STUCK_AFTER_S:
                if await _is_behind(self._pool, self._group, consumer, self._topics):
                    raise ConsumerStuck(
                        f"{self._group}: no progress for {STUCK_AFTER_S:.0f} s though there are records"
                    )
                self.state.moved_at = time.monotonic()
            # Not while the group rebalances: a commit that is refused makes aiokafka forget the member that is just
            # joining, which then joins again, and the whole group with it, for as long as we go on.
            hint = {
                part: at for part, at in self.state.parts.items() if part in self._placed and hinted.get(part) != at
            }
            if hint:
                try:
                    await consumer.commit(hint)
                    hinted.update(hint)
                except KafkaError as error:
                    _log.info("hint not committed", group=self._group, error=type(error).__name__)


async def _started(broker: KafkaBroker) -> None:
    """Start the broker's subscribers, for 60 s at most: a broker that is away is the keeper's to wait for."""
    async with asyncio.timeout(60):
        await broker.start()


async def _raw(message: tuple[ConsumerRecord, ...]) -> KafkaMessage:
    """FastStream's own batch parser decodes every header and raises on a bad one; this one touches nothing."""
    return KafkaMessage(body=b"", raw_message=message, consumer=_NOTHING, content_type=None)


async def _records(message: KafkaMessage) -> Any:
    return message.raw_message


class _Nothing:
    """Acknowledgements go nowhere: positions are the database's."""

    async def commit(self) -> None: ...

    def seek(self, partition: TopicPartition, offset: int) -> None: ...


_NOTHING: Final = _Nothing()


async def _answers(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> bool:
    """Whether the broker answers. aiokafka polls on in silence when it does not."""
    parts = [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()]
    try:
        async with asyncio.timeout(_ASK_S):
            await consumer.end_offsets(parts[:1])
    except (KafkaError, TimeoutError, OSError):
        return False
    return bool(parts)


async def _is_behind(pool: "asyncpg.Pool[Any]", group: str, consumer: AIOKafkaConsumer, topics: Sequence[str]) -> bool:
    """Whether the whole group has something to read, by the database and the broker, whoever is assigned what."""
    parts = [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()]
    if not parts:
        return True
    ends, stored = await consumer.end_offsets(parts), await stored_offsets(pool, group)
    return any(ends[part] > stored.get(part, 0) for part in parts)
