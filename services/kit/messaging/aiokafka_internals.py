"""Private parts of aiokafka, pinned with faststream_shell.py.

Brokers accept any bytes as a header name; aiokafka raises on non-UTF-8 ones and refetches for ever, which would stop
the consumer. Patched, they read as `\\xff`.

A fetch waits at the broker for new records, and aiokafka leaves out of it every partition whose records were not read
yet: new ones of that partition come only after the wait. Patched, a fetch waits long only if it asks for all, and not
in the first seconds of a consumer.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, SupportsIndex

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer import consumer, fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

from services.kit.cancelling import ended
from services.kit.messaging.fetch_sessions import SessionFetcher

_FIRST_MAGIC_WITH_HEADERS: Final = 2
_SHORT_WAIT_MS: Final = 10
_NO_LEADER: Final = -1
_STARTING_FOR_S: Final = 15.0
_LONG_WAIT_MS: Final = 2_000
"""A new record ends the wait. What shares the connection, as the ends of logs, comes behind it: so not at the start,
when they are asked for."""


def patch_consumers() -> None:
    """Of this process. Any header name is accepted; UTF-8 ones still take aiokafka's code. An idle fetch waits long."""
    fetcher.MemoryRecords = _RecordsWithBytes
    fetcher.PartitionRecords = _TolerantPartitionRecords
    consumer.Fetcher = _PatientFetcher


def pace_fetches(consumer: AIOKafkaConsumer, pause_s: Callable[[], float]) -> None:
    """After each fetch that found records, or beside some that stand unread, let others gather for so long: the next
    one takes them together.

    A record that comes after a quiet time is fetched at once, by a request that waits for it.
    """
    consumer._fetcher.pause_s = pause_s


@dataclass(frozen=True, slots=True)
class ClusterState:
    """As the broker last told a consumer. `degraded`: partitions without a leader, or with copies that are behind."""

    brokers: int
    degraded: int


def cluster_of(consumer: AIOKafkaConsumer) -> ClusterState:
    """Of the topics that it reads. aiokafka keeps the copies that are in step in its metadata only."""
    cluster = consumer._client.cluster
    partitions = [one for topic in cluster._partitions.values() for one in topic.values()]
    degraded = sum(one.leader == _NO_LEADER or len(one.isr) < len(one.replicas) for one in partitions)
    return ClusterState(len(cluster.brokers()), degraded)


class _PatientFetcher(SessionFetcher):
    pause_s: Callable[[], float] = staticmethod(lambda: 0.0)
    _next_at = 0.0
    _long_from: float | None = None
    _records: Any
    _fetch_max_wait_ms: int

    def _get_actions_per_node(self, assignment: Any) -> Any:
        longest_ms = self._fetch_max_wait_ms
        if self._long_from is None:
            self._long_from = time.monotonic() + _STARTING_FOR_S
        if self._records:
            self._fetch_max_wait_ms = min(longest_ms, _SHORT_WAIT_MS)
        elif time.monotonic() > self._long_from:
            self._fetch_max_wait_ms = max(longest_ms, _LONG_WAIT_MS)
        try:
            requests, resets, timeout_s, *others = super()._get_actions_per_node(assignment)
        finally:
            self._fetch_max_wait_ms = longest_ms
        left_s = self._next_at - time.monotonic()
        if requests and left_s > 0:
            requests, timeout_s = [], min(timeout_s, left_s)
        return (requests, resets, timeout_s, *others)

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> Any:
        found = await super()._proc_fetch_request(assignment, node_id, request)
        if found or self._records:
            self._next_at = time.monotonic() + self.pause_s()
        return found


class _RecordsWithBytes(MemoryRecords):  # type: ignore[misc]
    def __init__(self, fetched: bytes) -> None:
        super().__init__(fetched)
        self.fetched = fetched


class _TolerantPartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    _records: Any
    _records_iterator: Any

    def __next__(self) -> Any:
        try:
            return next(self._records_iterator)
        except StopIteration:
            self._records_iterator = None
            raise
        except UnicodeDecodeError:
            # Restart in Python; records already returned are skipped by offset.
            self._records = _TolerantRecords(self._records.fetched)
            self._records_iterator = self._unpack_records()
            return next(self._records_iterator)


class _TolerantRecords(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> Any:
        following = self._next_slice
        if following is None or following[self.MAGIC_OFFSET] < _FIRST_MAGIC_WITH_HEADERS:
            return super().next_batch()
        self._cache_next()
        return _TolerantBatch(following)


class _TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: bytearray

    def _read_msg(self) -> Any:
        if not isinstance(self._buffer, _DecodableBytes):
            self._buffer = _DecodableBytes(self._buffer)
        return super()._read_msg()


class _DecodableBytes(bytearray):
    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        part = super().__getitem__(at)
        return _DecodableBytes(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")


def set_producer_id(producer: AIOKafkaProducer, producer_id: int, epoch: int) -> None:
    """Before its start. An idempotent producer only gets ids of the broker's choice by aiokafka's own interface."""
    producer._txn_manager.set_pid_and_epoch(producer_id, epoch)


def producer_id_of(producer: AIOKafkaProducer) -> tuple[int, int]:
    """Id and epoch, once started."""
    return producer._txn_manager.producer_id, producer._txn_manager.producer_epoch


async def abandon_consumer(consumer: AIOKafkaConsumer) -> None:
    """`stop()` waits for tasks that it has cancelled once, however long they take."""
    consumer._closed = True
    coordinator, reader = consumer._coordinator, consumer._fetcher
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
    tasks = [getattr(coordinator, name, None) for name in names]
    tasks += [reader._fetch_task, *reader._pending_tasks] if reader is not None else []
    await ended([task for task in tasks if task is not None])
    await consumer._client.close()


async def abandon_producer(producer: AIOKafkaProducer) -> None:
    """`stop()` would wait for batches that may never be acknowledged."""
    task = getattr(producer._sender, "_sender_task", None)
    if task is not None:
        await ended([task])
    producer._closed = True
    await producer.client.close()
