"""Where logs end, asked through a producer's connection.

Private parts of aiokafka, pinned with faststream_shell.py.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, LeaderNotAvailableError, for_code
from aiokafka.protocol.offset import OffsetRequest

_REPLICA, _READ_UNCOMMITTED, _LATEST = -1, 0, -1
_RETRY_S: Final = 0.1


async def log_ends(client: AIOKafkaClient, parts: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The next offset of each partition, whose topics `client` knows. Waits for leaders. Raises `KafkaError`."""
    while True:
        try:
            return await _log_ends(client, parts)
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(_RETRY_S)
        await client.force_metadata_update()


async def _log_ends(client: AIOKafkaClient, parts: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    asked: dict[int, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for part in parts:
        leader = client.cluster.leader_for_partition(part)
        if leader is None or leader < 0:
            raise LeaderNotAvailableError(part)
        asked[leader][part.topic].append((part.partition, _LATEST))
    requests = [
        client.send(node, OffsetRequest(_REPLICA, _READ_UNCOMMITTED, list(topics.items())))
        for node, topics in asked.items()
    ]
    ends: dict[TopicPartition, int] = {}
    for response in await asyncio.gather(*requests):
        for topic, partitions in response.topics:
            for partition, error, _, offset in partitions:
                if error:
                    raise for_code(error)(TopicPartition(topic, partition))
                ends[TopicPartition(topic, partition)] = offset
    return ends
