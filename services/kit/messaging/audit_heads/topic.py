"""Reads the heads that a service has published of its audit."""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from schemas.codec import Unreadable, read
from schemas.events import AuditSealed
from services.kit.audit.chain import Head
from services.kit.audit.heads import KeptHead
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.log_positions.topic_metadata import topic_metadata
from services.kit.messaging.relaying.own_topic import reader_of, records_between
from services.kit.signing.records import Verify

_READ_WITHIN_S: Final = 120.0


class NoTopic(LookupError):
    """The topics were not provisioned since the audit has one."""


@dataclass(frozen=True, slots=True)
class PublishedHeads:
    """In their order. `newest_at`: Unix time in s. `ignored`: records that are unreadable or not the service's."""

    kept: tuple[KeptHead, ...]
    newest_at: float
    ignored: int


async def published_heads(
    kafka: KafkaConnection, topic: str, *, verify: Verify | None, newest: int | None = None
) -> PublishedHeads:
    """The `newest` of each partition, or all. Raises `NoTopic`, `KafkaError`, `OSError`."""
    async with asyncio.timeout(_READ_WITHIN_S), reader_of(kafka) as consumer:
        found = await topic_metadata(consumer._client, [topic])
        if topic not in found:
            raise NoTopic(f"there is no topic {topic}: provision the topics again")
        parts = [TopicPartition(topic, number) for number in sorted(found[topic].leader_epochs)]
        consumer.assign(parts)
        begins, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
        starts = begins if newest is None else {part: max(begins[part], ends[part] - newest) for part in parts}
        records = [each for some in (await records_between(consumer, starts, ends)).values() for each in some]
    read_heads = [(record.timestamp / 1000, head) for record in records if (head := _head_of(record, verify))]
    newest_at = max((at for at, _ in read_heads), default=0.0)
    return PublishedHeads(tuple(head for _, head in read_heads), newest_at, len(records) - len(read_heads))


def _head_of(record: ConsumerRecord, verify: Verify | None) -> KeptHead | None:
    try:
        if verify is not None:
            verify(record)
        event = read(record.value, record.headers)
    except Unreadable:
        return None
    if not isinstance(event, AuditSealed):
        return None
    return KeptHead(Head(event.seq, bytes.fromhex(event.hash)), event.accepted)
