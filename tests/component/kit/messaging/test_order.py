"""The order of one student's records in the topic: what compaction keeps must be the newest."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import asyncpg
import pytest

from deploy.local.installation import new_student_id
from deploy.local.servers.kafka import RunningKafka
from schemas.topics import Topics
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.relay import Relay
from services.kit.postgres.migrations import migrate
from services.kit.provisioning.topics import create_topics
from tests.support.kafka.outbox import Connection, case_of, running, say, versions
from tests.support.kafka.topics import everything, reading
from tests.support.waiting import eventually

IMPORTED, BATCH, CLERKS, WORK_S = 300, 50, 4, 6.0


@pytest.fixture
async def topics(database: str, namespace: str, kafka: RunningKafka) -> AsyncIterator[Topics]:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, [])
    await migrate(database, DEPARTMENT_FOLDERS)
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE TABLE numbered (student_id text PRIMARY KEY, version int NOT NULL)")
    yield topics
    await connection.close()


async def change(connection: Connection, topics: Topics, student_id: str) -> None:
    """As a department does: the student's row is locked before the outbox row gets its id."""
    version = await connection.fetchval(
        "UPDATE numbered SET version = version + 1 WHERE student_id = $1 RETURNING version", student_id
    )
    await say(connection, topics, student_id, version)


async def add_students(connection: Connection, students: Sequence[str]) -> None:
    await connection.executemany("INSERT INTO numbered VALUES ($1, 0)", [(student_id,) for student_id in students])


async def test_a_row_that_commits_late_is_not_overtaken_by_a_newer_one_of_its_student(
    database: str, topics: Topics, kafka: RunningKafka
) -> None:
    slow, quick = await asyncpg.connect(database), await asyncpg.connect(database)
    students, other = [new_student_id() for _ in range(8)], new_student_id()
    await add_students(slow, [*students, other])
    async with (
        reading(kafka.address, topics.case) as records,
        running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())),
    ):
        for number, student_id in enumerate(students, 1):
            async with slow.transaction():
                await change(slow, topics, student_id)
                await change(quick, topics, other)
                await eventually(lambda n=number: len(versions(records, other)) == n, what="the row with the higher id")  # type: ignore[misc]
            await change(quick, topics, student_id)
        await eventually(lambda: len(records) == 3 * len(students), what="every row")
    assert [versions(records, student_id) for student_id in students] == [[1, 2]] * len(students)
    await slow.close()
    await quick.close()


async def test_a_row_of_a_transaction_newer_than_all_that_have_ended_is_not_overtaken_either(
    database: str, topics: Topics, kafka: RunningKafka
) -> None:
    slow, quick = await asyncpg.connect(database), await asyncpg.connect(database)
    student_id, other = new_student_id(), new_student_id()
    await add_students(slow, [student_id, other])
    async with (
        reading(kafka.address, topics.case) as records,
        running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())),
    ):
        for number in range(1, 9):
            earlier, later = quick.transaction(), slow.transaction()
            await earlier.start()
            await quick.execute("SELECT pg_current_xact_id()")
            await later.start()
            await change(slow, topics, student_id)
            await change(quick, topics, other)
            await earlier.commit()
            await eventually(lambda n=number: len(versions(records, other)) == n, what="the row with the higher id")  # type: ignore[misc]
            await asyncio.sleep(0.1)
            await later.commit()
            await change(quick, topics, student_id)
        await eventually(lambda: len(records) == 24, what="every row")
    assert versions(records, student_id) == list(range(1, 17))
    await slow.close()
    await quick.close()


async def test_an_import_beside_clerks_keeps_the_order_of_every_student(
    database: str, topics: Topics, kafka: RunningKafka
) -> None:
    students = [new_student_id() for _ in range(IMPORTED)]
    importer = await asyncpg.connect(database)
    await add_students(importer, students)
    ended = asyncio.Event()

    async def clerk(seed: int) -> None:
        chance, connection = random.Random(seed), await asyncpg.connect(database)
        while not ended.is_set():
            async with connection.transaction():
                await change(connection, topics, chance.choice(students))
            await asyncio.sleep(chance.uniform(0, 0.02))
        await connection.close()

    async def import_rows() -> None:
        while not ended.is_set():
            for start in range(0, IMPORTED, BATCH):
                async with importer.transaction():
                    for student_id in students[start : start + BATCH]:
                        await change(importer, topics, student_id)
                        await asyncio.sleep(0.001)

    async with running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup())):
        work = [asyncio.create_task(each) for each in (import_rows(), *map(clerk, range(CLERKS)))]
        await asyncio.sleep(WORK_S)
        ended.set()
        await asyncio.gather(*work)

        async def drained() -> bool:
            return bool(await importer.fetchval("SELECT count(*) FROM outbox") == 0)

        await eventually(drained, what="an empty outbox")
    records = await everything(kafka.address, topics.case)
    order = defaultdict(list)
    for case in filter(None, map(case_of, records)):
        order[case.student_id].append(case.version)
    inversions = sum(second < first for each in order.values() for first, second in pairwise(each))
    assert inversions == 0, f"{inversions} inversions in {len(records)} records"
    await importer.close()
