"""Members of a group and their positions, which are the database's."""

from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator

from deploy.local.servers.kafka import RunningKafka
from services.kit.messaging import consumer
from services.kit.messaging.log_positions.positions import StoredPositions
from tests.support.kafka.consumers import GROUP, consumer_of, hinted, running, send, stored
from tests.support.kafka.members import assigned
from tests.support.waiting import eventually


async def test_the_databases_position_counts_and_kafkas_does_not(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    await send(kafka, topic, [b"one", b"two", b"three"])
    async with running(consumer_of(pool, kafka, topic)):

        async def applied() -> bool:
            return len(await stored(pool)) == 3

        await eventually(applied, what="three records")
        await eventually(lambda: hinted(kafka, topic), what="Kafka to be hinted")
    await pool.execute("TRUNCATE stored; TRUNCATE consumer_offset")
    async with running(consumer_of(pool, kafka, topic)):
        await eventually(applied, what="all three again, from zero")


async def test_two_members_share_the_partitions_and_one_takes_over_from_the_other(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    first, second = consumer_of(pool, kafka, topic), consumer_of(pool, kafka, topic)
    async with running(first):
        async with running(second):
            await eventually(lambda: assigned(first) == 2 and assigned(second) == 2, what="two partitions each")
            await send(kafka, topic, [b"%d" % number for number in range(100)])
        await eventually(lambda: assigned(first) == 4, what="all partitions for the one that is left")
        await send(kafka, topic, [b"%d" % number for number in range(100, 200)])

        async def applied() -> bool:
            return len(await stored(pool)) >= 200

        await eventually(applied, what="200 records")
    assert sorted(await stored(pool)) == sorted(b"%d" % number for number in range(200))


async def test_a_position_beyond_the_end_means_the_topic_was_made_anew_and_it_is_read_from_its_start(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    await send(kafka, topic, [b"one", b"two"])
    group = f"{topic.split('.')[0]}.{GROUP}"
    await pool.executemany(
        "INSERT INTO consumer_offset VALUES ($1, $2, $3, 1000)", [(group, topic, partition) for partition in range(4)]
    )
    async with running(consumer_of(pool, kafka, topic)):

        async def applied() -> bool:
            return sorted(await stored(pool)) == [b"one", b"two"]

        await eventually(applied, what="both records")
    assert await pool.fetchval("SELECT max(next_offset) FROM consumer_offset") <= 2


async def test_nothing_is_committed_while_the_group_rebalances(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebalancing: list[bool] = []
    first, second = (consumer_of(pool, kafka, topic, session_timeout_s=6) for _ in range(2))
    commit, revoked = GroupCoordinator.commit_offsets, StoredPositions.on_partitions_revoked

    async def noted(self: GroupCoordinator, *arguments: Any) -> None:
        rebalancing.append(self._performed_join_prepare)
        await commit(self, *arguments)

    async def with_a_hint_due(self: StoredPositions, parts: set[TopicPartition]) -> None:
        await revoked(self, parts)
        first.state.next_offsets.update({part: at - 1 for part, at in first.state.next_offsets.items()})

    monkeypatch.setattr(GroupCoordinator, "commit_offsets", noted)
    monkeypatch.setattr(StoredPositions, "on_partitions_revoked", with_a_hint_due)
    monkeypatch.setattr(consumer, "_WATCH_EVERY_S", 0.1)
    # A static member that stops does not leave: the others wait for it until its session is over.
    gone = AIOKafkaConsumer(
        topic,
        **kafka.address.options(),
        group_id=f"{topic.split('.')[0]}.{GROUP}",
        group_instance_id="gone",
        session_timeout_ms=6_000,
    )
    await send(kafka, topic, [b"%d" % number for number in range(40)])
    async with running(first):
        await eventually(lambda: bool(rebalancing), what="the first hint")
        await gone.start()
        await eventually(lambda: assigned(first) == 2, what="another member to have its share")
        await gone.stop()
        async with running(second):
            await eventually(lambda: (assigned(first), assigned(second)) == (2, 2), what="the second in its place")
    assert not any(rebalancing)
