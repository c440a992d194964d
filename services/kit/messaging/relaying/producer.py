"""Kafka producer with every durability option set explicitly."""

import asyncio
from collections.abc import Sequence
from struct import unpack
from typing import Any, Final, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced, UnknownTopicOrPartitionError
from aiokafka.structs import RecordMetadata

from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.aiokafka_internals import abandon_producer, producer_id_of, set_producer_id
from services.kit.messaging.log_positions.log_ends import log_ends
from services.kit.messaging.log_positions.topic_metadata import topic_metadata
from services.kit.messaging.relaying.producer_identity import ProducerIdentity

SEND_TIMEOUT_S: Final = 30.0
"""aiokafka retries for ever; after this the outcome counts as unknown."""

_BATCH_BYTES: Final = 512 * 1024
_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF


class OutboundRecord(NamedTuple):
    """Without `partition` the key decides; without `value` it is a tombstone.

    A tuple: a frozen dataclass takes four times as long.
    """

    topic: str
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


def partition_of(key: bytes, partitions: int) -> int:
    """As Kafka's default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """As Java's client. aiokafka's took half of the relay's time."""
    size = len(key)
    tail = size & 3
    mixed = _SEED ^ size
    for word in unpack(f"<{size >> 2}I", key[: size - tail]):
        word = word * _MIX & _32_BITS
        mixed = (mixed * _MIX & _32_BITS) ^ ((word ^ word >> 24) * _MIX & _32_BITS)
    if tail:
        mixed = (mixed ^ int.from_bytes(key[size - tail :], "little")) * _MIX & _32_BITS
    mixed = (mixed ^ mixed >> 13) * _MIX & _32_BITS
    return mixed ^ mixed >> 15


class EpochReused(ProducerFenced):  # type: ignore[misc]
    """A batch was taken for one that the broker had before, and dropped: this epoch has been used.

    So it is with an identity from a backup. What was sent must be sent again, by another producer id.
    """


class BatchProducer:
    """Idempotent batches; the producer is replaced after any failure.

    aiokafka refuses a partition for ever after an expired batch. With an `identity`, a send of unknown outcome lands
    before the next producer's first record of its partition, or never.
    """

    def __init__(self, kafka: KafkaConnection, *, client_id: str, identity: ProducerIdentity | None = None) -> None:
        self._kafka = kafka
        self._client_id = client_id
        self._identity = identity
        self._producer: AIOKafkaProducer | None = None
        self._unproven: dict[TopicPartition, int] | None = None
        """Partitions where the first batch of a taken epoch may be one that was used, and where they ended before;
        None for an id from the broker."""
        self._topics_seen: set[str] = set()

    async def send(self, records: Sequence[OutboundRecord]) -> None:
        """Returns once all in-sync replicas have acknowledged, or raises the first failure.

        Raises `ProducerFenced` when another producer of this identity was opened since, or one of its epoch before.
        """
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                producer = self._producer or await self._open()
                await self._note_ends(producer, records)
                self._prove(await asyncio.gather(*await self._submit(producer, records)))
        except BaseException as error:
            await self.discard()
            if isinstance(error, ProducerFenced) and self._identity is not None:
                await self._identity.forget()
            raise

    async def partitions(self, topic: str) -> int:
        """Raises for an unknown topic."""
        async with asyncio.timeout(SEND_TIMEOUT_S):
            producer = self._producer or await self._open()
            return len(await producer.partitions_for(topic))

    async def topic(self, topic: str) -> tuple[UUID, int]:
        """Its incarnation as the broker has it now, and how many partitions."""
        async with asyncio.timeout(SEND_TIMEOUT_S):
            producer = self._producer or await self._open()
            found = await topic_metadata(producer.client, [topic])
        if topic not in found:
            raise UnknownTopicOrPartitionError(topic)
        return found[topic].topic_id, len(found[topic].leader_epochs)

    async def discard(self) -> None:
        """Unflushed: pending records count as unsent."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await abandon_producer(producer)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(5):
                    await producer.stop()
            except TimeoutError:
                await abandon_producer(producer)

    async def _open(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._kafka.options(),
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            request_timeout_ms=20_000,
            metadata_max_age_ms=60_000,
        )
        try:
            resumed = await _start(producer, self._identity)
        except BaseException:
            await abandon_producer(producer)
            raise
        self._producer, self._topics_seen = producer, set()
        self._unproven = {} if resumed else None
        return producer

    async def _note_ends(self, producer: AIOKafkaProducer, records: Sequence[OutboundRecord]) -> None:
        """Before the first batches of a taken epoch."""
        if self._unproven is None or not (new := {record.topic for record in records} - self._topics_seen):
            return
        parts = [TopicPartition(topic, number) for topic in new for number in await producer.partitions_for(topic)]
        self._unproven |= await log_ends(producer.client, parts)
        self._topics_seen |= new

    def _prove(self, sent: Sequence[RecordMetadata]) -> None:
        """A broker acknowledges a batch that it has already, by epoch and sequence, with the place where it stands."""
        if not self._unproven:
            return
        for batch in sent:
            if batch.offset < self._unproven.pop(batch.topic_partition, 0):
                raise EpochReused

    async def _submit(self, producer: AIOKafkaProducer, records: Sequence[OutboundRecord]) -> list[asyncio.Future[Any]]:
        counts: dict[str, int] = {}
        open_batches: dict[tuple[str, int], Any] = {}
        sent: list[asyncio.Future[Any]] = []
        for record in records:
            if record.topic not in counts:
                counts[record.topic] = len(await producer.partitions_for(record.topic))
            partition = record.partition
            if partition is None:
                partition = partition_of(record.key, counts[record.topic])
            target = (record.topic, partition)
            batch = open_batches.get(target)
            if batch is not None and _append(batch, record):
                continue
            if batch is not None:
                sent.append(await producer.send_batch(batch, target[0], partition=target[1]))
            open_batches[target] = batch = producer.create_batch()
            if not _append(batch, record):
                raise ValueError(f"a record for {record.topic} is larger than a batch of {_BATCH_BYTES} bytes")
        for (topic, partition), batch in open_batches.items():
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        return sent


async def _start(producer: AIOKafkaProducer, identity: ProducerIdentity | None) -> bool:
    """Under the identity's next epoch, or the id that the broker gives. Whether it is the identity's."""
    taken = await identity.next() if identity is not None else None
    if taken is not None:
        set_producer_id(producer, *taken)
    await producer.start()
    if identity is not None and taken is None:
        await identity.keep(*producer_id_of(producer))
    return taken is not None


def _append(batch: Any, record: OutboundRecord) -> bool:
    appended = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    return appended is not None
