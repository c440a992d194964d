"""Another relay takes over from a leader that is gone without a word, and what that one sends late does no harm."""

import asyncio
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced

from deploy.local.installation import new_student_id
from deploy.local.servers.kafka import RunningKafka
from schemas.topics import Topics
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying import producer
from services.kit.messaging.relaying.producer import BatchProducer, EpochReused, OutboundRecord
from services.kit.messaging.relaying.producer_identity import ProducerIdentity
from services.kit.messaging.relaying.relay import Relay
from services.kit.postgres.leadership import LeaderSession
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import DATABASE_ERRORS
from services.kit.provisioning.topics import create_topics
from tests.support.kafka.outbox import Connection, case_of, running, say, versions
from tests.support.kafka.topics import everything, nothing_lost, reading
from tests.support.paths import ROOT
from tests.support.servers.tcp_proxy import proxy_to
from tests.support.waiting import eventually

REPLACED_WITHIN_S, SILENT_AFTER_S = 30.0, 6.0


@pytest.fixture
async def topics(database: str, namespace: str, kafka: RunningKafka) -> Topics:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, [])
    await migrate(database, DEPARTMENT_FOLDERS)
    return topics


@pytest.fixture
async def connection(database: str, topics: Topics) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@asynccontextmanager
async def writing(database: str, topics: Topics) -> AsyncIterator[dict[str, int]]:
    """Students whose versions grow without a pause: the newest of each."""
    newest = {new_student_id(): 0 for _ in range(20)}
    ended = asyncio.Event()

    async def write() -> None:
        writer = await asyncpg.connect(database)
        while not ended.is_set():
            for student_id in newest:
                await say(writer, topics, student_id, newest[student_id] + 1)
                newest[student_id] += 1
            await asyncio.sleep(0.01)
        await writer.close()

    task = asyncio.create_task(write())
    try:
        yield newest
    finally:
        ended.set()
        await task


async def leads(connection: Connection, name: str) -> bool:
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND granted AND application_name = $1)",
            f"{name}.relay",
        )
    )


async def drained(connection: Connection) -> bool:
    return bool(await connection.fetchval("SELECT count(*) FROM outbox") == 0)


async def test_a_leader_that_hangs_alive_is_replaced_and_its_late_sends_do_no_harm(
    database: str, topics: Topics, kafka: RunningKafka, connection: Connection
) -> None:
    hanging = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.kafka.relay_process",
        database,
        "hanging",
        cwd=ROOT,
        env={**os.environ, **kafka.address.variables()},
    )
    try:
        await eventually(lambda: leads(connection, "hanging"), what="the process to lead")
        second = Relay(database, kafka=kafka.address, name="second", wakeup=Wakeup())
        async with running(second), writing(database, topics) as newest:
            await asyncio.sleep(2)
            hanging.send_signal(signal.SIGSTOP)
            stopped_s = time.monotonic()
            await eventually(lambda: second.state.leading, what="another leader", timeout_s=REPLACED_WITHIN_S)
            assert time.monotonic() - stopped_s < REPLACED_WITHIN_S
            await asyncio.sleep(1)
            hanging.send_signal(signal.SIGCONT)
            await asyncio.wait_for(hanging.wait(), 20)
        async with running(Relay(database, kafka=kafka.address, name="third", wakeup=Wakeup())):
            await eventually(lambda: drained(connection), what="an empty outbox")
    finally:
        if hanging.returncode is None:
            hanging.kill()
            await hanging.wait()
    order = defaultdict(list)
    for case in filter(None, map(case_of, await everything(kafka.address, topics.case))):
        order[case.student_id].append(case.version)
    assert {student_id: each[-1] for student_id, each in order.items()} == newest
    assert all(nothing_lost(each) for each in order.values())


async def test_a_leader_behind_a_half_open_connection_is_replaced(
    database: str, topics: Topics, kafka: RunningKafka, connection: Connection
) -> None:
    student_id = new_student_id()
    async with proxy_to(database) as (proxy, through):
        first = Relay(through, kafka=kafka.address, name="first", wakeup=Wakeup(), silent_after_s=SILENT_AFTER_S)
        second = Relay(database, kafka=kafka.address, name="second", wakeup=Wakeup(), silent_after_s=SILENT_AFTER_S)
        async with reading(kafka.address, topics.case) as records, running(first):
            await eventually(lambda: first.state.leading, what="the first to lead")
            async with running(second):
                proxy.stall()
                await eventually(lambda: second.state.leading, what="another leader", timeout_s=REPLACED_WITHIN_S)
                await say(connection, topics, student_id, 1)
                await eventually(lambda: versions(records, student_id) == [1], what="its row")
                await eventually(lambda: not first.state.leading, what="the first to notice", timeout_s=30)


async def test_a_leader_that_waits_for_the_broker_is_not_replaced(
    database: str, topics: Topics, kafka: RunningKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with LeaderSession(database, "waiting", silent_after_s=2) as session:
        monkeypatch.setattr("services.kit.postgres.leadership.BEAT_S", 0.5)
        assert await session.try_lead(1)
        async with LeaderSession(database, "candidate", silent_after_s=2) as candidate:
            waiting = asyncio.create_task(session.waiting_for(asyncio.sleep(5)))
            while not waiting.done():
                assert not await candidate.try_lead(1)
                await asyncio.sleep(0.3)
            await waiting
            await asyncio.sleep(2.2)
            assert not await candidate.try_lead(1)
            await eventually(lambda: candidate.try_lead(1), what="the silent session's lock")
            with pytest.raises(DATABASE_ERRORS):
                await session.execute("SELECT 1")


async def test_what_an_abandoned_producer_sends_late_is_refused(
    database: str, topics: Topics, kafka: RunningKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandoned: list[AIOKafkaProducer] = []

    async def keep(one: AIOKafkaProducer) -> None:
        abandoned.append(one)

    monkeypatch.setattr(producer, "abandon_producer", keep)
    record = OutboundRecord(topics.case, b"TS1", b"1")
    async with LeaderSession(database, "test") as session:
        identity = ProducerIdentity()
        identity.session = session
        sender = BatchProducer(kafka.address, client_id="test", identity=identity)
        await sender.send([record])
        await sender.discard()
        await sender.send([record._replace(value=b"2")])
        with pytest.raises(ProducerFenced):
            await abandoned[0].send_and_wait(topics.case, b"late", key=b"TS1", partition=_partition(topics))
        await sender.close()
    await abandoned[0].stop()
    assert [one.value for one in await everything(kafka.address, topics.case)] == [b"1", b"2"]


def _partition(topics: Topics) -> int:
    return producer.partition_of(b"TS1", 6)


async def test_a_table_older_than_the_topic_gets_a_new_producer_id(
    database: str, topics: Topics, kafka: RunningKafka, connection: Connection
) -> None:
    student_id = new_student_id()
    for version in (1, 2, 3):
        async with running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())):
            await say(connection, topics, student_id, version)
            await eventually(lambda: drained(connection), what="an empty outbox")
    before = await connection.fetchrow("SELECT producer_id, epoch FROM outbox_producer")
    assert before is not None
    assert before["epoch"] == 2
    await connection.execute("UPDATE outbox_producer SET epoch = 0")
    await say(connection, topics, student_id, 4)
    with pytest.raises(ProducerFenced):
        await Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup()).run()
    async with running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())):
        await eventually(lambda: drained(connection), what="an empty outbox")
    assert await connection.fetchval("SELECT producer_id FROM outbox_producer") != before["producer_id"]
    assert versions(await everything(kafka.address, topics.case), student_id) == [1, 2, 3, 4]


async def test_an_epoch_that_was_used_since_the_backup_is_not_used_again(
    database: str, topics: Topics, kafka: RunningKafka, connection: Connection
) -> None:
    """A broker takes the first batch of an epoch, sent again, for a repetition: it would acknowledge and drop it."""
    student_id = new_student_id()
    for version in (1, 2, 3):
        async with running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())):
            await say(connection, topics, student_id, version)
            await eventually(lambda: drained(connection), what="an empty outbox")
    # As in a copy of the database from before the last leader.
    await connection.execute("UPDATE outbox_producer SET epoch = epoch - 1")
    await say(connection, topics, student_id, 4)
    with pytest.raises(EpochReused):
        await Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup()).run()
    assert not await drained(connection)
    async with running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())):
        await eventually(lambda: drained(connection), what="an empty outbox")
    assert versions(await everything(kafka.address, topics.case), student_id) == [1, 2, 3, 4]
