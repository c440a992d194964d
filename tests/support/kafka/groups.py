"""Consumer groups as Kafka sees them: who reads what, and the offsets it remembers, which tests take away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.protocol.admin import DeleteGroupsRequest

from services.kit.kafka.connection import KafkaConnection


@asynccontextmanager
async def _admin(kafka: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**kafka.options())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def shares(kafka: KafkaConnection, group: str) -> list[int]:
    """How many partitions each member of the group was given, smallest first; none while it is being shared out."""
    async with _admin(kafka) as admin:
        (answer,) = await admin.describe_consumer_groups([group])
    counts = []
    for _, _, state, _, _, members, *_ in answer.groups:
        for *_, assignment in members if state == "Stable" else ():
            given = ConsumerProtocolMemberAssignment.decode(assignment).assignment
            counts.append(sum(len(parts) for _, parts in given))
    return sorted(counts)


async def move(kafka: KafkaConnection, group: str, topic: str, offset: int | None) -> None:
    """Make Kafka remember `offset` for every partition of a group nobody is in; None: the end of each."""
    consumer = AIOKafkaConsumer(**kafka.options(), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer._client.add_topic(topic)
        await consumer._client.force_metadata_update()
        parts = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        await consumer.commit({part: ends[part] if offset is None else offset for part in parts})
    finally:
        await consumer.stop()


async def delete(kafka: KafkaConnection, group: str) -> None:
    """Delete a group nobody is in, with all that Kafka remembers of it."""
    async with _admin(kafka) as admin:
        coordinator = await admin.find_coordinator(group)
        answer = await admin._send_request(DeleteGroupsRequest([group]), coordinator)
        assert [code for _, code in answer.results] == [0], answer


async def remembered(kafka: KafkaConnection, group: str) -> dict[TopicPartition, int]:
    """The offsets Kafka remembers."""
    async with _admin(kafka) as admin:
        found = await admin.list_consumer_group_offsets(group)
    return {part: committed.offset for part, committed in found.items()}
