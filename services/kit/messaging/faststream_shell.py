"""Where we bypass FastStream; a test fails on any version but `PINNED`.

Routers and subscribers are declared as on any `KafkaRouter`, but:

- A batch is one transaction, though each record passes FastStream's pipeline: a transaction each costs three to five
  times the processor time. So `consume_one` takes a batch.
- `get_msg` is a plain `getmany`: FastStream's sleeps after an empty poll. It drops records of unpositioned partitions.
- What `getmany` raises ends the consumer (`refused`): FastStream sleeps five seconds after each, aiokafka tells of each
  partition by itself, and its group stands still meanwhile, so that dozens of them were minutes without a record.
- The parser touches no header: FastStream's raises on null and non-UTF-8 ones.
- Parser and decoder are set, not declared: else each filter would decode again.
- Nothing is acknowledged (`AckPolicy.MANUAL`): positions are the database's.
- Events with a handler of sets (`together`) skip the pipeline, which costs more than their decoding.
- Workers share one consumer: `max_workers` starts one each, for a single topic.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from faststream import AckPolicy
from faststream._internal.broker.registrator import Registrator
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.kafka import KafkaRouter
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage
from faststream.kafka.schemas import Topic
from faststream.kafka.subscriber.config import KafkaSubscriberConfig, KafkaSubscriberSpecificationConfig
from faststream.kafka.subscriber.specification import KafkaSubscriberSpecification
from faststream.kafka.subscriber.usecase import DefaultSubscriber
from faststream.message import StreamMessage

from schemas.codec import Unreadable
from schemas.events import Message
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.event_sets import E, Received, SetHandler, apply_set, in_sets
from services.kit.messaging.gathering import Gathering
from services.kit.messaging.handlers import (
    DEAD_LETTERS,
    OPEN_CONNECTION,
    EventDecoder,
    RecordMiddleware,
    Share,
    carries,
    event_decoder,
    span_of,
)
from services.kit.messaging.log_positions.offsets import Records
from services.kit.messaging.log_positions.positions import StoredPositions
from services.kit.postgres.pool import Connection
from services.kit.settings import SESSION_TIMEOUT_S
from services.kit.signing.records import Verify
from services.kit.signing.session_proofs import check_proof

PINNED: Final = {"faststream": "0.7.8", "aiokafka": "0.14.0"}
_POLL_MS: Final = 1000
_FETCH_WAIT_MS: Final = 500
"""An idle consumer asks the broker twice a second. What comes meanwhile ends the wait (aiokafka_internals.py)."""

CommitBatch = Callable[[Records], Awaitable[None]]
LockFirst = Callable[[Connection, Records], Awaitable[None]]
Ahead = Callable[[Records], Awaitable[Any]]


class TransactionalRouter(KafkaRouter):
    """A consumer group whose batches are transactions. `verify`: who wrote a record, before it is decoded.

    `prove`: a command has to show the session that asked for it.
    """

    def __init__(
        self,
        *,
        group: str,
        session_timeout_s: float = SESSION_TIMEOUT_S,
        verify: Verify | None = None,
        prove: bool = False,
    ) -> None:
        super().__init__()
        self.group, self._verify, self._prove = group, verify, prove
        self._session_timeout_ms = round(session_timeout_s * 1000)

    @property
    def subscription(self) -> "TransactionalSubscriber":
        """Raises `ValueError` unless there is exactly one."""
        (subscriber,) = self.subscribers
        assert isinstance(subscriber, TransactionalSubscriber)
        return subscriber

    def subscriber(  # type: ignore[override]
        self,
        *topics: str,
        batch: bool = False,
        decoder: EventDecoder | None = None,
        workers: int = 1,
        max_records: int = 500,
        lock_first: LockFirst | None = None,
        ahead: Ahead | None = None,
    ) -> "TransactionalSubscriber":
        """As in FastStream, handlers are declared with the result. `lock_first`: what several records will lock, in the
        order that every transaction locks it in. `ahead`: what a batch handler needs no database for, while the workers
        wait for theirs; it gives way to them, and the handler finds the result in its `Share`.

        `batch`: one handler gets all raw records and returns the unreadable ones; else filters choose. Workers share
        out partitions, in order, with a connection and `max_records` each.
        """
        calls: CallsCollection[Any] = CallsCollection()
        declared = [Topic.validate(topic) for topic in sorted(topics)]
        subscriber = TransactionalSubscriber(
            KafkaSubscriberConfig(
                _outer_config=self.config,  # type: ignore[arg-type]
                _ack_policy=AckPolicy.MANUAL,
                topics=declared,
                group_id=self.group,
                connection_args=_consumer_options(self._session_timeout_ms),
                no_reply=True,
            ),
            KafkaSubscriberSpecification(
                _outer_config=self.config,  # type: ignore[arg-type]
                calls=calls,
                specification_config=KafkaSubscriberSpecificationConfig(
                    topics=declared, title_=None, description_=None, include_in_schema=True
                ),
            ),
            calls,
            decoder=_raw if batch else _verified(self._verify, self._prove, decoder or event_decoder()),
            batch=batch,
            workers=workers,
            max_records=max_records,
            lock_first=lock_first,
            ahead=ahead,
        )
        Registrator.subscriber(self, subscriber)
        if not batch:
            self.add_middleware(RecordMiddleware)
        return subscriber


class TransactionalSubscriber(DefaultSubscriber):
    def __init__(
        self,
        config: KafkaSubscriberConfig,
        specification: KafkaSubscriberSpecification,
        calls: "CallsCollection[Any]",
        *,
        decoder: EventDecoder,
        batch: bool,
        workers: int,
        max_records: int,
        lock_first: LockFirst | None,
        ahead: Ahead | None,
    ) -> None:
        super().__init__(config, specification, calls)
        self._parser, self._decoder = _untouched, decoder
        self._batch, self._max_records, self._lock_first = batch, max_records, lock_first
        self._ahead = ahead
        self._queues: list[asyncio.Queue[Records]] = [asyncio.Queue(maxsize=1) for _ in range(workers)]
        self._set_handlers: dict[type[Message], SetHandler[Any]] = {}
        self._several: set[type[Message]] = set()
        self._gathering = Gathering()
        self._positions: StoredPositions | None = None
        self._refusal: asyncio.Future[BaseException] | None = None
        self._built = False
        self._log_context: dict[str, str] | None = None

    @property
    def workers(self) -> int:
        return len(self._queues)

    def pause_s(self) -> float:
        """Of its fetches. A batch handler folds what it gets, whatever it is."""
        return 0.0 if self._batch else self._gathering.pause_s

    def together(self, event: type[E], *, several: bool = False) -> Callable[[SetHandler[E]], SetHandler[E]]:
        """Declares the handler of all such events of a batch: see `SetHandler`. `several`: of a student, too."""

        def declare(handler: SetHandler[E]) -> SetHandler[E]:
            async def each(event: Any) -> None:
                """For FastStream's document. It is never called: these events skip the pipeline."""

            each.__annotations__["event"] = event
            self(each, filter=carries(event))
            self._set_handlers[event] = handler
            if several:
                self._several.add(event)
            return handler

        return declare

    def attach(self, positions: StoredPositions) -> None:
        """Before start. Records of unpositioned partitions are dropped."""
        self._listener = self._positions = positions

    async def work(self, number: int, commit: CommitBatch) -> None:
        queue = self._queues[number]
        while True:
            records = await queue.get()
            began = time.monotonic()
            await commit(records)
            self._gathering.took(time.monotonic() - began)
            queue.task_done()

    async def apply(self, connection: Connection, records: Records) -> list[DeadLetter]:
        """On the open transaction; returns the unreadable records."""
        if not self._built:
            # What a broker's `start` does; a replay of dead letters has no broker.
            self._outer_config.logger._setup(self._outer_config.context)
            self._build_fastdepends_model()
            self._built = True
        dead_letters: list[DeadLetter] = []
        token = OPEN_CONNECTION.set(connection)
        try:
            with self._outer_config.context.scope(DEAD_LETTERS, dead_letters):
                if self._batch:
                    response = await self.process_message(records if isinstance(records, tuple) else tuple(records))
                    return response.body or []
                if self._set_handlers:
                    return await self._apply_sets(connection, records) + dead_letters
                if self._lock_first is not None and len(records) > 1:
                    await self._lock_first(connection, records)
                for record in records:
                    await self.process_message(record)
            return dead_letters
        finally:
            OPEN_CONNECTION.reset(token)

    async def _apply_sets(self, connection: Connection, records: Records) -> list[DeadLetter]:
        received, dead_letters = await self._received(records)
        try:
            sets = in_sets(received, self._several)
            # A set by itself is locked by its handler, in the same order.
            if (
                self._lock_first is not None
                and len(received) > 1
                and (len(sets) > 1 or self._handler_of(sets[0]) is None)
            ):
                await self._lock_first(connection, records)
            for one_set in sets:
                if (handler := self._handler_of(one_set)) is not None:
                    dead_letters += await apply_set(handler, connection, one_set)
                    continue
                for one in one_set:
                    await self.process_message(one.record)
            return dead_letters
        finally:
            for one in received:
                one.span.end()

    async def _received(self, records: Records) -> tuple[list[Received[Any]], list[DeadLetter]]:
        """Those that have a handler, and the undecodable ones."""
        received: list[Received[Any]] = []
        dead_letters: list[DeadLetter] = []
        for record in records:
            try:
                event = await self._decoder(await _untouched(record))
            except Unreadable as error:
                dead_letters.append(DeadLetter(record, str(error)))
                continue
            if type(event) in self._set_handlers:
                received.append(Received(event, span_of(record), record))
            elif self._is_handled(event):
                received.append(Received(event, record=record))
        return received, dead_letters

    def _handler_of(self, received: Sequence[Received[Any]]) -> SetHandler[Any] | None:
        return self._set_handlers.get(type(received[0].event))

    def _is_handled(self, event: Message) -> bool:
        return any(isinstance(call.filter, carries) and call.filter.event is type(event) for call in self.calls)

    async def start(self) -> None:
        self._queues = [asyncio.Queue(maxsize=1) for _ in self._queues]
        self._refusal = asyncio.get_running_loop().create_future()
        self._built = True
        await super().start()

    async def refused(self) -> None:
        """Once started. Raises what the consumer was answered, when it is not given records any more."""
        assert self._refusal is not None
        raise await self._refusal

    async def get_msg(self, consumer: AIOKafkaConsumer) -> Records:
        if not self._batch:
            # What comes during a batch gathers for the next one; taken now, it would wait as a batch of its own.
            for queue in self._queues:
                await queue.join()
        try:
            polled = await consumer.getmany(timeout_ms=_POLL_MS, max_records=self._max_records * self.workers)
        except BaseException as error:
            # Also the cancellation of something that it waited for, after which FastStream's task would be gone.
            if self._refusal is not None and not self._refusal.done():
                self._refusal.set_result(error)
            raise
        positioned = self._positions.positioned if self._positions else polled.keys()
        return tuple(chain.from_iterable(some for partition, some in polled.items() if partition in positioned))

    def get_log_context(self, message: StreamMessage[Any] | None) -> dict[str, str]:
        # Built once: requested for every record, and never logged.
        if self._log_context is None:
            self._log_context = self.build_log_context(None, topic=",".join(self.topic_names), group_id=self.group_id)
        return dict(self._log_context)

    async def consume_one(self, msg: Records) -> None:
        """Share out a batch; waits for busy workers."""
        if self.workers == 1:
            await self._queues[0].put(await self._share(msg))
            return
        shares: list[list[ConsumerRecord]] = [[] for _ in self._queues]
        for record in msg:
            shares[record.partition % self.workers].append(record)
        for queue, share in zip(self._queues, shares, strict=True):
            if share:
                await queue.put(await self._share(share))

    async def _share(self, records: Records) -> Share:
        share = Share(records)
        if self._ahead is not None:
            # An error is the worker's to meet again, and to retry.
            with suppress(Exception):
                share.ahead = await self._ahead(share)
        return share


async def _untouched(record: ConsumerRecord | Sequence[ConsumerRecord]) -> KafkaMessage:
    # A constant id: FastStream would generate one for each record.
    return KafkaMessage(body=b"", raw_message=record, consumer=FAKE_CONSUMER, correlation_id="-")


def _verified(verify: Verify | None, prove: bool, decoder: EventDecoder) -> EventDecoder:
    async def decode(message: StreamMessage[Any]) -> Any:
        if verify is not None:
            verify(message.raw_message)
        event = await decoder(message)
        check_proof(event, required=prove)
        return event

    return decode


async def _raw(message: StreamMessage[Any]) -> Any:
    return message.raw_message


def _consumer_options(session_timeout_ms: int) -> dict[str, Any]:
    return {
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "fetch_max_wait_ms": _FETCH_WAIT_MS,
        # How often aiokafka looks at each partition for what to fetch when no fetch has ended and nothing was read.
        "consumer_timeout_ms": 1_000,
        "session_timeout_ms": session_timeout_ms,
        "heartbeat_interval_ms": session_timeout_ms // 4,
        "rebalance_timeout_ms": 60_000,
        "max_poll_interval_ms": 300_000,
    }
