"""Whether a partition is still the log that a position was taken in: its topic's id, and the record before it.

A topic deleted and made anew has another id, also in another cluster. A log that was cut (a power cut, an unclean
election) and has grown again has another record there, or none.
"""

import hashlib
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.kit.kafka.connection import KafkaConnection

_READ_WITHIN_S: Final = 5.0
_POLL_MS: Final = 200
_log = structlog.get_logger(__name__)


class Loss(StrEnum):
    """Why the records behind a position cannot be relied on."""

    RECREATED = "recreated"
    TRUNCATED = "truncated"
    EXPIRED = "expired"
    """The broker deleted records that were not read yet."""


class LogChanged(Exception):
    """Noticed while reading: the consumer starts over, and finds out at its assignment."""


def fingerprint(record: ConsumerRecord) -> bytes:
    """8 bytes."""
    digest = hashlib.blake2b(b"%d:%d:" % (record.offset, record.timestamp), digest_size=8)
    for part in (record.key, record.value):
        digest.update(b"-" if part is None else b"%d:" % len(part) + part)
    return digest.digest()


async def fingerprints_at(kafka: KafkaConnection, wanted: Mapping[TopicPartition, int]) -> dict[TopicPartition, bytes]:
    """Of the records at these offsets; without those that were compacted away. Raises `KafkaError`, `OSError`."""
    consumer = AIOKafkaConsumer(**kafka.options(), group_id=None, enable_auto_commit=False, auto_offset_reset="none")
    found: dict[TopicPartition, bytes] = {}
    try:
        await consumer.start()
        consumer.assign(list(wanted))
        for part, offset in wanted.items():
            consumer.seek(part, offset)
        missing, until_s = set(wanted), time.monotonic() + _READ_WITHIN_S
        while missing and time.monotonic() < until_s:
            for part, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                if records and part in missing:
                    missing.discard(part)
                    consumer.pause(part)
                    if records[0].offset == wanted[part]:
                        found[part] = fingerprint(records[0])
        for part in missing:
            # Nothing stands behind it either: what was there may have been compacted away.
            _log.warning("position.unverified", topic=part.topic, partition=part.partition)
        return found
    finally:
        await consumer.stop()
