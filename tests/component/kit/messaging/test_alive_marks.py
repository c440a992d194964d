"""Alive marks speak of committed transactions: they come while writers are busy, and overtake nothing."""

import asyncio
from datetime import datetime

import asyncpg

from deploy.local.installation import new_student_id
from deploy.local.servers.kafka import RunningKafka
from schemas.codec import read
from schemas.events import CaseChanged, SourceAlive
from schemas.topics import ALIVE_KEY, Topics
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.alive_marks import AliveMarks
from services.kit.messaging.relaying.relay import Relay
from services.kit.postgres.migrations import migrate
from services.kit.provisioning.topics import create_topics
from tests.support.departments.desks import now
from tests.support.kafka.outbox import running, say
from tests.support.kafka.topics import everything

WRITERS, WORK_S, EVERY_S = 6, 5.0, 0.5


async def test_marks_come_while_the_outbox_is_never_empty_and_overtake_nothing(
    database: str, namespace: str, kafka: RunningKafka
) -> None:
    topics = Topics(namespace)
    await create_topics(kafka.address, topics, [])
    await migrate(database, DEPARTMENT_FOLDERS)
    committed: dict[str, datetime] = {}
    ended = asyncio.Event()

    async def write(open_s: float) -> None:
        connection = await asyncpg.connect(database)
        while not ended.is_set():
            student_id = new_student_id()
            async with connection.transaction():
                await connection.execute("SELECT pg_current_xact_id()")
                await say(connection, topics, student_id, 1)
                await asyncio.sleep(open_s)
            committed[student_id] = now()
        await connection.close()

    marks = AliveMarks("library", topics.case, every_s=EVERY_S)
    async with running(Relay(database, kafka=kafka.address, name="test", wakeup=Wakeup(), alive=marks)):
        work = [asyncio.create_task(write(open_s)) for open_s in (*[0.0] * WRITERS, 0.7)]
        await asyncio.sleep(WORK_S)
        busy_until = now()
        ended.set()
        await asyncio.gather(*work)
        records = await everything(kafka.address, topics.case)
    for partition in range(6):
        part = [(record.key, read(record.value)) for record in records if record.partition == partition]
        instants = [event.as_of for _, event in part if isinstance(event, SourceAlive)]
        assert sum(instant < busy_until for instant in instants) >= WORK_S / EVERY_S / 3
        sent: set[str] = set()
        behind: list[tuple[str, datetime]] = []
        newest = datetime.min.replace(tzinfo=busy_until.tzinfo)
        for key, event in part:
            if key == ALIVE_KEY:
                assert isinstance(event, SourceAlive)
                newest = max(newest, event.as_of)
            elif isinstance(event, CaseChanged) and event.student_id not in sent:
                sent.add(event.student_id)
                behind.append((event.student_id, newest))
        assert [student for student, mark in behind if student in committed and committed[student] < mark] == []
