"""Kafka with every option that decides whether a message survives said aloud, for both directions."""

import asyncio
from collections.abc import Sequence
from struct import unpack
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer

SEND_TIMEOUT_S: Final = 30.0
"""With a known leader aiokafka retries a batch for ever; after this long its outcome is called unknown."""

_BATCH_BYTES: Final = 512 * 1024
_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF


class OutboundRecord(NamedTuple):
    """One record to send. `partition` is chosen from the key, as Java's default partitioner does, unless given.

    A tuple because a relay makes one a row: a frozen dataclass takes four times as long to make.
    """

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


def partition_of(key: bytes, partitions: int) -> int:
    """The partition every Kafka client's default partitioner gives this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """The hash of Java's client, 32 bits. aiokafka's own builds each word from its bytes: half of a relay's time."""
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


class BatchProducer:
    """An idempotent producer that sends whole batches by partition and is thrown away after any failure.

    An idempotent aiokafka producer whose batch expired keeps a gap in its sequence and refuses that partition for
    ever, so a failed send makes the next one start with a new producer. A send whose outcome is unknown may still
    land later: readers absorb that by version.
    """

    def __init__(self, bootstrap: str, *, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None

    async def send(self, records: Sequence[OutboundRecord]) -> None:
        """Return once every record is acknowledged by all in-sync replicas. Raises on the first that was not."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                producer = self._producer or await self._open()
                await asyncio.gather(*await self._submit(producer, records))
        except BaseException:
            await self.discard()
            raise

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has. Raises when it does not exist."""
        async with asyncio.timeout(SEND_TIMEOUT_S):
            producer = self._producer or await self._open()
            return len(await producer.partitions_for(topic))

    async def discard(self) -> None:
        """Drop the producer without waiting for what it still holds: those rows are unsent as far as we know."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _abandon(producer)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(5):
                    await producer.stop()
            except TimeoutError:
                await _abandon(producer)

    async def _open(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            request_timeout_ms=20_000,
            metadata_max_age_ms=60_000,
        )
        try:
            await producer.start()
        except BaseException:
            await _abandon(producer)
            raise
        self._producer = producer
        return producer

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
            place = (record.topic, partition)
            batch = open_batches.get(place)
            if batch is not None and _append(batch, record):
                continue
            if batch is not None:
                sent.append(await producer.send_batch(batch, place[0], partition=place[1]))
            open_batches[place] = batch = producer.create_batch()
            if not _append(batch, record):
                raise ValueError(f"a record for {record.topic} is larger than a batch of {_BATCH_BYTES} bytes")
        for (topic, partition), batch in open_batches.items():
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        return sent


def _append(batch: Any, record: OutboundRecord) -> bool:
    appended = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    return appended is not None


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close sockets and tasks without flushing: `stop()` would wait for batches that may never be acknowledged."""
    sender = producer._sender
    task = getattr(sender, "_sender_task", None)
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    producer._closed = True
    await producer.client.close()
