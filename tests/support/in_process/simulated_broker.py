"""A broker in memory that does, from a seed, what a broker may: delays, repetitions that land late, failed sends."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final

from aiokafka import ConsumerRecord

from schemas.topics import PARTITIONS
from services.kit.messaging.relaying.producer import OutboundRecord, partition_of
from tests.support.in_process.services import record_of

REPEATED, FAILED_SENDS, FAILED_BATCHES, PAUSES = 0.25, 0.03, 0.03, 0.006
LATE_S: Final = (0.01, 0.6)
PAUSE_S: Final = (0.1, 0.5)
DELAY_S: Final = (0.0, 0.012)
MAX_POLLED: Final = 8
Partition = tuple[str, int]


class Unavailable(ConnectionError):
    """The broker or a database, this once."""


class SimulatedBroker:
    """Every record ever, by partition."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.partitions: dict[Partition, list[ConsumerRecord]] = defaultdict(list)
        self.late: set[asyncio.Task[None]] = set()
        self._readers: list[asyncio.Event] = []

    def append(self, topic: str, key: bytes, value: bytes | None, partition: int | None = None) -> None:
        number = partition_of(key, PARTITIONS) if partition is None else partition
        records = self.partitions[topic, number]
        records.append(record_of(topic, key, value, partition=number, offset=len(records)))
        for reader in self._readers:
            reader.set()

    async def poll(self, topics: Collection[str]) -> AsyncIterator[list[ConsumerRecord]]:
        """Batches of a consumer group of one member, from the beginning, without end."""
        positions: dict[Partition, int] = defaultdict(int)
        grown = asyncio.Event()
        self._readers.append(grown)
        while True:
            await asyncio.sleep(self.chance.uniform(*(PAUSE_S if self.chance.random() < PAUSES else DELAY_S)))
            ready = [
                partition
                for partition, records in list(self.partitions.items())
                if partition[0] in topics and positions[partition] < len(records)
            ]
            if not ready:
                grown.clear()
                await grown.wait()
                continue
            polled: list[ConsumerRecord] = []
            for partition in self.chance.sample(ready, self.chance.randint(1, len(ready))):
                start = positions[partition]
                some = self.partitions[partition][start : start + self.chance.randint(1, MAX_POLLED)]
                positions[partition] += len(some)
                polled += some
            yield polled

    def fail_sometimes(self, rate: float) -> None:
        """Raises `Unavailable` at this rate."""
        if self.chance.random() < rate:
            raise Unavailable

    async def repeat_later(self, one: OutboundRecord) -> None:
        """A send of unknown outcome that lands after all, behind newer ones."""
        await asyncio.sleep(self.chance.uniform(*LATE_S))
        self.append(one.topic, one.key, one.value, one.partition)


class SimulatedProducer:
    """In the place of a relay's producer: fails now and then, before or after the broker took the batch."""

    def __init__(self, broker: SimulatedBroker) -> None:
        self._broker = broker

    async def send(self, records: Sequence[OutboundRecord]) -> None:
        broker = self._broker
        broker.fail_sometimes(FAILED_SENDS)
        await asyncio.sleep(broker.chance.uniform(*DELAY_S))
        for one in records:
            broker.append(one.topic, one.key, one.value, one.partition)
            if broker.chance.random() < REPEATED:
                task = asyncio.create_task(broker.repeat_later(one))
                broker.late.add(task)
                task.add_done_callback(broker.late.discard)
        broker.fail_sometimes(FAILED_SENDS)

    async def partitions(self, topic: str) -> int:
        return PARTITIONS

    async def close(self) -> None:
        """Nothing is kept open."""
