"""From the broker into a database, on the real ones: each record once, the bad parked, bad moments waited out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.group_coordinator import GroupCoordinator

from deploy.local.servers.kafka import RunningKafka
from schemas.topics import Topics
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.messaging import consumer, faststream_shell, outbox
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters.limit import DeadLetterLimit
from services.kit.messaging.dead_letters.store import ApplyBatch, DeadLetter
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction
from services.kit.messaging.log_positions.positions import StoredPositions
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.probes import add_consumer_probe
from services.kit.messaging.relaying.producer import BatchProducer, OutboundRecord
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import Connection, open_pool
from services.kit.provisioning.topics import create_topics
from services.kit.runtime.health import Health
from tests.support.kafka.members import assigned
from tests.support.waiting import eventually

GROUP = "test.group"


@pytest.fixture
async def topic(kafka: RunningKafka, namespace: str) -> str:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, [], partitions=4)
    return topics.command


@pytest.fixture
async def pool(database: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    await migrate(database, DEPARTMENT_FOLDERS)
    pool = await open_pool(database, name="test")
    await pool.execute('CREATE TABLE stored (partition int, "offset" bigint, value bytea)')
    yield pool
    await pool.close()


@asynccontextmanager
async def running(*consumers: TransactionalConsumer) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def send(kafka: RunningKafka, topic: str, values: Sequence[bytes]) -> None:
    publisher = BatchProducer(kafka.address, client_id="test")
    await publisher.send([OutboundRecord(topic, b"key-%d" % number, value) for number, value in enumerate(values)])
    await publisher.close()


async def send_to_one(kafka: RunningKafka, topic: str, values: Sequence[bytes]) -> None:
    """All to the partition of one key."""
    publisher = BatchProducer(kafka.address, client_id="test")
    await publisher.send([OutboundRecord(topic, b"key", value) for value in values])
    await publisher.close()


async def store(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
    await connection.executemany(
        "INSERT INTO stored VALUES ($1, $2, $3)",
        [(record.partition, record.offset, record.value) for record in records if record.value != b"bad"],
    )
    return [DeadLetter(record, "it says so") for record in records if record.value == b"bad"]


def consumer_of(
    pool: "asyncpg.Pool[Any]",
    kafka: RunningKafka,
    topic: str,
    apply: ApplyBatch = store,
    *,
    session_timeout_s: float = 12.0,
    limit: DeadLetterLimit | None = None,
    relay: Wakeup | None = None,
    **options: Any,
) -> TransactionalConsumer:
    router = TransactionalRouter(group=f"{topic.split('.')[0]}.{GROUP}", session_timeout_s=session_timeout_s)
    batches = router.subscriber(topic, batch=True, **options)

    @batches()
    async def apply_batch(records: Sequence[Any], connection: Transaction) -> list[DeadLetter]:
        return await apply(connection, records)

    return TransactionalConsumer(router, name=GROUP, pool=pool, kafka=kafka.address, limit=limit, relay=relay)


async def stored(pool: "asyncpg.Pool[Any]") -> list[bytes]:
    return [row["value"] for row in await pool.fetch('SELECT value FROM stored ORDER BY partition, "offset"')]


async def hinted(kafka: RunningKafka, topic: str) -> bool:
    """Whether the group's offsets in Kafka cover every record."""
    admin = AIOKafkaAdminClient(**kafka.address.options())
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(f"{topic.split('.')[0]}.{GROUP}")
    finally:
        await admin.close()
    return bool(sum(max(0, at.offset) for at in offsets.values()) == 3)


async def test_every_record_is_applied_once_also_across_a_restart(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    values = [b"%d" % number for number in range(300)]
    await send(kafka, topic, values[:150])
    async with running(consumer_of(pool, kafka, topic, workers=2, max_records=40)):

        async def half() -> bool:
            return len(await stored(pool)) == 150

        await eventually(half, what="the first half")
    await send(kafka, topic, values[150:])
    async with running(consumer_of(pool, kafka, topic, workers=2, max_records=40)):

        async def all_of_it() -> bool:
            return len(await stored(pool)) >= 300

        await eventually(all_of_it, what="the rest")
    assert sorted(await stored(pool)) == sorted(values)


async def test_records_of_a_partition_that_stood_unread_do_not_wait_for_the_others(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fetch without that partition would keep the connection for a minute.
    monkeypatch.setattr(faststream_shell, "_FETCH_WAIT_MS", 60_000)
    going_on = asyncio.Event()

    async def store_later(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        await going_on.wait()
        return await store(connection, records)

    values = [b"%d" % number for number in range(6)]
    async with running(consumer_of(pool, kafka, topic, store_later, max_records=1)):
        await send_to_one(kafka, topic, values[:5])
        await asyncio.sleep(1)  # By then the other partitions were asked for without this one.
        going_on.set()

        async def read(count: int) -> bool:
            return len(await stored(pool)) == count

        await eventually(lambda: read(5), what="what stood unread")
        await send_to_one(kafka, topic, values[5:])
        await eventually(lambda: read(6), what="the next record of that partition")
    assert await stored(pool) == values


async def test_the_relay_is_woken_by_a_batch_that_made_a_row_for_it_and_by_no_other(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    async def answer_b(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        for record in records:
            if record.value == b"b":
                await outbox.append_tombstone(connection, topic="answers", key="TS0000000001")
        return await store(connection, records)

    wakeup = Wakeup()
    async with running(consumer_of(pool, kafka, topic, answer_b, relay=wakeup)):
        for value, woken in ((b"a", False), (b"b", True), (b"c", False)):
            await send(kafka, topic, [value])

            async def applied(value: bytes = value) -> bool:
                return value in await stored(pool)

            await eventually(applied, what="the record")
            assert await wakeup.wait(0.5) is woken


async def test_a_batch_after_one_that_failed_has_a_connection_of_its_own(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    backends: list[int] = []

    async def remember(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        backends.append(await connection.fetchval("SELECT pg_backend_pid()"))
        if len(backends) == 2:
            await pool.execute("SELECT pg_terminate_backend($1)", backends[-1])
        return await store(connection, records)

    async with running(consumer_of(pool, kafka, topic, remember)):
        for count, value in enumerate((b"a", b"b", b"c"), start=1):
            await send(kafka, topic, [value])

            async def applied(count: int = count) -> bool:
                return len(await stored(pool)) == count

            await eventually(applied, what="the record")
    assert backends[0] == backends[1], "the connection is kept while batches succeed"
    assert backends[1] not in backends[2:]
    assert len(backends) == 4
    assert pool.get_idle_size() == pool.get_size(), "given back at the end"


async def test_a_connection_that_was_lost_between_two_batches_is_replaced(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    async with running(consumer_of(pool, kafka, topic)):
        for count in (1, 2):
            await send(kafka, topic, [b"%d" % count])

            async def read(expected: int = count) -> bool:
                return len(await stored(pool)) == expected

            await eventually(read, what=f"{count} records")
            await pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


async def test_a_bad_record_is_parked_as_it_came_and_the_rest_goes_on(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    await send(kafka, topic, [b"one", b"bad", b"two", b"bad", b"three"])
    async with running(consumer_of(pool, kafka, topic)):

        async def parked() -> bool:
            return bool(await pool.fetchval("SELECT count(*) = 2 FROM dead_letter")) and len(await stored(pool)) == 3

        await eventually(parked, what="three applied and two parked")
    rows = await pool.fetch("SELECT key, value, reason FROM dead_letter ORDER BY key")
    assert [(row["key"], row["value"], row["reason"]) for row in rows] == [
        (b"key-1", b"bad", "it says so"),
        (b"key-3", b"bad", "it says so"),
    ]


async def test_a_bad_moment_is_waited_out_and_the_same_batch_taken_again(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    failures = 3

    async def sometimes(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        nonlocal failures
        dead_letters = await store(connection, records)
        if failures:
            failures -= 1
            raise asyncpg.DeadlockDetectedError("not now")
        return dead_letters

    await send(kafka, topic, [b"one", b"two"])
    async with running(consumer_of(pool, kafka, topic, sometimes)):

        async def applied() -> bool:
            return sorted(await stored(pool)) == [b"one", b"two"]

        await eventually(applied, what="both records, once")
    assert failures == 0


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


async def test_a_consumer_that_moves_nothing_is_thrown_away(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "STUCK_AFTER_S", 1.0)
    reached = asyncio.Event()

    async def hang(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
        reached.set()
        await asyncio.Event().wait()
        return []

    await send(kafka, topic, [b"one"])
    with pytest.raises(consumer.ConsumerStuck):
        async with asyncio.timeout(30):
            await consumer_of(pool, kafka, topic, hang).run()
    assert reached.is_set()


async def test_a_record_that_comes_just_when_a_quiet_consumer_is_looked_at_does_not_end_it(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "STUCK_AFTER_S", 0.5)
    monkeypatch.setattr(consumer, "_CONFIRM_AFTER_S", 0.1)
    behind = [True, False, True, False]

    async def is_behind(_: TransactionalConsumer) -> bool:
        return behind.pop(0) if behind else False

    monkeypatch.setattr(TransactionalConsumer, "_is_behind", is_behind)
    quiet = consumer_of(pool, kafka, topic)
    async with running(quiet):
        await eventually(lambda: not behind, what="two looks, each confirmed")
        await send(kafka, topic, [b"one"])

        async def applied() -> bool:
            return await stored(pool) == [b"one"]

        await eventually(applied, what="the record")


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


async def test_a_decoder_that_reads_nothing_stops_its_consumer_before_it_empties_the_topic(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    await send(kafka, topic, [b"bad"] * 40)
    limit, health = DeadLetterLimit(max_consecutive=10), Health()
    stopped = consumer_of(pool, kafka, topic, limit=limit, max_records=4)
    add_consumer_probe(health, stopped)
    async with running(stopped):
        await eventually(lambda: stopped.state.stopped is not None, what="the consumer to stop")
        kept = await pool.fetchval("SELECT count(*) FROM dead_letter")
        assert kept <= 10
        assert await pool.fetchval("SELECT sum(next_offset) FROM consumer_offset") == kept or kept == 0
        assert assigned(stopped) == 0, "it has left its group"
        ready = (await health.ready()).checks["consumer store"]
        assert ready is not None
        assert "more than 10 consecutive records" in ready
        assert "LIXIAO_DEAD_LETTER_MAX_CONSECUTIVE" in ready
        assert (await health.live()).healthy, "a restart would not help"
    async with running(consumer_of(pool, kafka, topic, limit=DeadLetterLimit(max_consecutive=1000))):

        async def all_kept() -> bool:
            return bool(await pool.fetchval("SELECT count(*) = 40 FROM dead_letter"))

        await eventually(all_kept, what="all of them, once the operator has raised the limit")


async def store_numbers(connection: Connection, records: Sequence[ConsumerRecord]) -> list[DeadLetter]:
    """As a handler whose statement casts what a record says."""
    for record in records:
        await connection.execute(
            "INSERT INTO stored SELECT $1, $2, ($3::text::jsonb)::text::bytea",
            record.partition,
            record.offset,
            (record.value or b"").decode(),
        )
    return []


async def test_a_value_that_the_database_refuses_is_set_aside_and_the_rest_of_its_batch_goes_on(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    good = [b"%d" % number for number in range(60)]
    await send(kafka, topic, [*good[:20], b"1e400000", *good[20:40], b'"\\ud800"', *good[40:]])
    async with running(consumer_of(pool, kafka, topic, store_numbers)):

        async def all_read() -> bool:
            return bool(await pool.fetchval("SELECT sum(next_offset) FROM consumer_offset") == 62)

        await eventually(all_read, what="every position at its end")
    assert sorted(await stored(pool)) == sorted(good)
    letters = await pool.fetch("SELECT value, reason FROM dead_letter ORDER BY value DESC")
    assert [row["value"] for row in letters] == [b"1e400000", b'"\\ud800"']
    assert "NumericValueOutOfRangeError" in letters[0]["reason"]


async def test_a_database_that_refuses_every_value_stops_the_consumer(
    pool: "asyncpg.Pool[Any]", kafka: RunningKafka, topic: str
) -> None:
    await send(kafka, topic, [b"1e400000"] * 40)
    stopped = consumer_of(pool, kafka, topic, store_numbers, limit=DeadLetterLimit(max_consecutive=10))
    async with running(stopped):
        await eventually(lambda: stopped.state.stopped is not None, what="the consumer to stop")
    assert await pool.fetchval("SELECT count(*) FROM dead_letter") <= 10
