"""From outbox to broker, on the real ones: nothing lost, nothing kept, whatever happens in between."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.installation import new_student_id
from deploy.local.servers.kafka import RunningKafka
from schemas.codec import is_tombstone, read
from schemas.events import CaseChanged, CaseState, SourceAlive
from schemas.topics import Topics
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.messaging import outbox
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying import outbox_deleter, outbox_reader, relay
from services.kit.messaging.relaying.alive_marks import AliveMarks
from services.kit.messaging.relaying.outbox_reader import NEW_ROWS
from services.kit.messaging.relaying.producer import partition_of
from services.kit.messaging.relaying.relay import Relay
from services.kit.postgres.migrations import migrate
from services.kit.provisioning.topics import create_topics
from tests.support.departments.desks import now
from tests.support.kafka.outbox import running, say, versions
from tests.support.kafka.topics import reading
from tests.support.waiting import eventually


async def test_every_row_arrives_in_the_order_of_its_student_and_leaves_the_outbox(
    database: str, namespace: str, kafka: RunningKafka
) -> None:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, [])
    await migrate(database, DEPARTMENT_FOLDERS)
    connection = await asyncpg.connect(database)
    students = [new_student_id() for _ in range(40)]
    bell = Wakeup()
    async with reading(kafka.address, topics.case) as records:
        async with running(Relay(database, kafka=kafka.address, name="test", wakeup=bell)):
            for version in range(1, 51):
                async with connection.transaction():
                    for student_id in students:
                        await say(connection, topics, student_id, version)
                bell.notify()
            await eventually(lambda: len(records) >= 2000, what="2,000 records")
        for student_id in students:
            assert versions(records, student_id) == list(range(1, 51))
        assert {record.partition for record in records if record.key == students[0].encode()} == {
            partition_of(students[0].encode(), 6)
        }
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
    await connection.close()


async def test_a_row_committed_late_under_a_low_id_is_sent_all_the_same(
    database: str, namespace: str, kafka: RunningKafka
) -> None:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, [])
    await migrate(database, DEPARTMENT_FOLDERS)
    early, late = await asyncpg.connect(database), await asyncpg.connect(database)
    slow, quick = new_student_id(), new_student_id()
    async with (
        reading(kafka.address, topics.case) as records,
        running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())),
    ):
        transaction = early.transaction()
        await transaction.start()
        await say(early, topics, slow, 1)
        for version in range(1, 20):
            await say(late, topics, quick, version)
        await eventually(lambda: len(versions(records, quick)) == 19, what="the rows behind the open transaction")
        assert versions(records, slow) == []
        await transaction.commit()
        await eventually(lambda: versions(records, slow) == [1], what="the row with the low id")
    await early.close()
    await late.close()


async def test_what_a_process_that_does_not_lead_has_committed_is_announced_to_the_leader(
    database: str, namespace: str, kafka: RunningKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, [])
    await migrate(database, DEPARTMENT_FOLDERS)
    # Nothing is found by looking at the whole table now and then.
    monkeypatch.setattr(relay, "FULL_SCAN_EVERY_S", 3600.0)
    connection, student_id, wakeup = await asyncpg.connect(database), new_student_id(), Wakeup()
    first = Relay(database, kafka=kafka.address, name="first", wakeup=Wakeup())
    async with reading(kafka.address, topics.case) as records, running(first):
        await eventually(lambda: first.state.leading, what="a leader")

        def arrived(version: int) -> bool:
            return versions(records, student_id)[-1:] == [version]

        second = Relay(database, kafka=kafka.address, name="second", wakeup=wakeup, silent_after_s=3600)
        async with running(second):
            for version in (1, 2):
                await say(connection, topics, student_id, version)
                wakeup.notify()
                await eventually(partial(arrived, version), what="the row of the other")
    await connection.close()


async def test_only_one_relay_leads_and_another_takes_over(database: str, namespace: str, kafka: RunningKafka) -> None:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, [])
    await migrate(database, DEPARTMENT_FOLDERS)
    connection = await asyncpg.connect(database)
    first = Relay(database, kafka=kafka.address, name="first", wakeup=Wakeup())
    second = Relay(database, kafka=kafka.address, name="second", wakeup=Wakeup())
    student_id = new_student_id()
    async with reading(kafka.address, topics.case) as records, running(second):
        await eventually(lambda: second.state.leading, what="a leader")
        async with running(first):
            await eventually(lambda: first.state.polled_at > 0, what="the other to wait")
            assert not first.state.leading
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'second.relay' AND datname = current_database()"
            )
            await eventually(lambda: first.state.leading, what="the other to lead")
            await say(connection, topics, student_id, 1)
            await eventually(lambda: versions(records, student_id) == [1], what="its row")
    await connection.close()


async def test_alive_marks_stand_behind_everything_that_was_said(
    database: str, namespace: str, kafka: RunningKafka
) -> None:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, ["library"])
    await migrate(database, DEPARTMENT_FOLDERS)
    connection = await asyncpg.connect(database)
    student_id = new_student_id()
    topic = topics.status("library")
    event = CaseChanged(student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=now())
    await outbox.append(connection, topic=topic, key=student_id, event=event, source=f"/{uuid4()}", now=now())
    committed_at = now()
    marks = AliveMarks("library", topic, every_s=0.2)
    async with (
        reading(kafka.address, topic) as records,
        running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup(), alive=marks)),
    ):
        await eventually(
            lambda: len({record.partition for record in records if record.key == b":alive"}) == 6,
            what="a mark in every partition",
        )
    same = [record for record in records if record.partition == partition_of(student_id.encode(), 6)]
    assert same[0].key == student_id.encode()
    first_mark = read(same[1].value, same[1].headers)
    assert isinstance(first_mark, SourceAlive)
    assert first_mark.as_of >= committed_at
    await connection.close()


async def test_a_topic_that_does_not_exist_yet_keeps_its_rows(
    database: str, namespace: str, kafka: RunningKafka
) -> None:
    topics = Topics(namespace)
    await migrate(database, DEPARTMENT_FOLDERS)
    connection = await asyncpg.connect(database)
    student_id = new_student_id()
    await say(connection, topics, student_id, 1)
    relay = Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())
    task = asyncio.create_task(relay.run())
    await eventually(lambda: relay.state.leading, what="the relay to lead")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 1
    await create_topics(kafka.address, topics, [])
    async with (
        reading(kafka.address, topics.case) as records,
        running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())),
    ):
        await eventually(lambda: versions(records, student_id) == [1], what="the row, once its topic exists")
    await connection.close()


async def test_a_row_without_a_value_arrives_as_a_tombstone_behind_what_was_said_before(
    database: str, namespace: str, kafka: RunningKafka
) -> None:
    topics, student_id = Topics(namespace), new_student_id()
    await create_topics(kafka.address, topics, [])
    await migrate(database, DEPARTMENT_FOLDERS)
    connection = await asyncpg.connect(database)
    relay = Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())
    async with reading(kafka.address, topics.case) as records, running(relay):
        async with connection.transaction():
            await say(connection, topics, student_id, 1)
            await outbox.append_tombstone(connection, topic=topics.case, key=student_id)
        await eventually(lambda: len(records) == 2, what="two records")
    assert [record.key for record in records] == [student_id.encode()] * 2
    assert [is_tombstone(record.value, record.headers) for record in records] == [False, True]
    await connection.close()


async def test_a_wake_up_takes_one_read_and_several_sends_one_delete(
    database: str,
    namespace: str,
    kafka: RunningKafka,
    statements: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topics, student_id, wakeup = Topics(namespace), new_student_id(), Wakeup()
    await create_topics(kafka.address, topics, [])
    await migrate(database, DEPARTMENT_FOLDERS)
    connection = await asyncpg.connect(database)
    statements.clear()
    monkeypatch.setattr(relay, "FULL_SCAN_EVERY_S", 60.0)
    monkeypatch.setattr(outbox_deleter, "GATHER_S", 1.0)
    leading = Relay(database, kafka=kafka.address, name="test", wakeup=wakeup)
    async with reading(kafka.address, topics.case) as records, running(leading):
        await eventually(lambda: statements[NEW_ROWS] == 1, what="the first read")
        for version in range(1, 6):
            await say(connection, topics, student_id, version)
            wakeup.notify()
            await eventually(partial(_has, records, version), what=f"version {version}")
        await eventually(lambda: _is_empty(connection), what="the outbox to be empty")
    assert versions(records, student_id) == [1, 2, 3, 4, 5]
    assert statements[NEW_ROWS] == 6
    assert sum(count for query, count in statements.items() if query.startswith("DELETE FROM outbox")) <= 3
    await connection.close()


async def test_a_backlog_is_read_on_without_another_wake_up(
    database: str, namespace: str, kafka: RunningKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics, student_id, wakeup = Topics(namespace), new_student_id(), Wakeup()
    await create_topics(kafka.address, topics, [])
    await migrate(database, DEPARTMENT_FOLDERS)
    connection = await asyncpg.connect(database)
    monkeypatch.setattr(relay, "FULL_SCAN_EVERY_S", 3600.0)
    monkeypatch.setattr(outbox_reader, "BATCH_ROWS", 4)
    leading = Relay(database, kafka=kafka.address, name="test", wakeup=wakeup)
    async with reading(kafka.address, topics.case) as records, running(leading):
        await say(connection, topics, student_id, 1)
        wakeup.notify()
        await eventually(partial(_has, records, 1), what="the first read")
        async with connection.transaction():
            for version in range(2, 12):
                await say(connection, topics, student_id, version)
        wakeup.notify()
        await eventually(lambda: len(records) == 11, what="three reads more")
        await eventually(lambda: _is_empty(connection), what="the outbox to be empty")
    assert versions(records, student_id) == list(range(1, 12))
    await connection.close()


def _has(records: Sequence[Any], count: int) -> bool:
    return len(records) == count


async def _is_empty(connection: "asyncpg.Connection[Any]") -> bool:
    return not await connection.fetchval("SELECT count(*) FROM outbox")
