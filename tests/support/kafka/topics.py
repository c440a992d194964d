"""Topics as a test sees them: everything that is in one, and records of the test's own making."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.record.util import calc_crc32c

from schemas.events import StatusChanged
from schemas.topics import Topics
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.relaying.producer import partition_of
from services.kit.provisioning.topics import create_topics
from tests.support.waiting import eventually

READ_TIMEOUT_S = 20
CRC_AT, CRC_OF = 17, 21
"""In a record batch: where its checksum stands, and from where on it is summed."""

RawHeaders = Sequence[tuple[str, bytes | None]]


async def everything(kafka: KafkaConnection, topic: str) -> list[ConsumerRecord]:
    """Every record that is in the topic now, each partition in its order."""
    consumer = AIOKafkaConsumer(topic, **kafka.options(), auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        ends = await consumer.end_offsets(parts)
        records: list[ConsumerRecord] = []
        async with asyncio.timeout(READ_TIMEOUT_S):
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for some in (await consumer.getmany(timeout_ms=200)).values():
                    records += some
        return records
    finally:
        await consumer.stop()


@asynccontextmanager
async def reading(kafka: KafkaConnection, topic: str) -> AsyncIterator[list[ConsumerRecord]]:
    """Everything that is and will be in the topic."""
    consumer = AIOKafkaConsumer(topic, **kafka.options(), auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    records: list[ConsumerRecord] = []

    async def read_on() -> None:
        async for record in consumer:
            records.append(record)

    task = asyncio.create_task(read_on())
    try:
        yield records
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await consumer.stop()


def versions(records: Iterable[ConsumerRecord], student_id: str) -> list[int]:
    """The versions of a student's statuses, in the order they stand in."""
    events = [record.value for record in records if record.key == student_id.encode()]
    return [StatusChanged.model_validate_json(_data(value)).version for value in events]


def each_once(versions: Sequence[int]) -> bool:
    """Whether these are 1, 2, 3 … without a gap or a repetition."""
    return list(versions) == list(range(1, len(versions) + 1))


def nothing_lost(versions: Sequence[int]) -> bool:
    """Whether every number up to the last is there, and none comes for the first time behind a greater one."""
    firsts = list(dict.fromkeys(versions))
    return each_once(firsts)


async def recreate(
    kafka: KafkaConnection, topics: Topics, departments: Sequence[str], topic: str, **options: Any
) -> None:
    """Delete a topic and provision it anew."""
    admin = AIOKafkaAdminClient(**kafka.options())
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await eventually(gone, what=f"{topic} to be gone")
    finally:
        await admin.close()
    await create_topics(kafka, topics, departments, **options)


class Producer:
    """Sends any bytes as a record."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self._producer = AIOKafkaProducer(**kafka.options(), max_request_size=2 * 1024 * 1024)

    async def __aenter__(self) -> "Producer":
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: RawHeaders = (), partition: int | None = None
    ) -> Any:
        """Send one record and wait for its place: (topic, partition, offset, …)."""
        if partition is None and key is not None:
            partition = partition_of(key, len(await self._producer.partitions_for(topic)))
        return await self._producer.send_and_wait(topic, value, key=key, headers=list(headers), partition=partition)

    async def send_with_header_named(self, name: bytes, topic: str, key: bytes, value: bytes) -> Any:
        """As `send`, with a header whose name is these bytes, which no Python client would write."""
        partition = partition_of(key, len(await self._producer.partitions_for(topic)))
        batch = self._producer.create_batch()
        stand_in = "Z" * len(name)
        batch.append(timestamp=None, key=key, value=value, headers=[(stand_in, b"")])
        written = batch._build()
        at = bytes(written).index(stand_in.encode())
        written[at : at + len(name)] = name
        struct.pack_into(">I", written, CRC_AT, calc_crc32c(bytes(written[CRC_OF:])))
        return await (await self._producer.send_batch(batch, topic, partition=partition))


def _data(value: bytes) -> bytes:
    return json.dumps(json.loads(value)["data"]).encode()
