"""The view that grows for the measurement of cohorts; the measurement itself takes too long for the tests."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from bench import events, lists
from bench.cohorts import view
from bench.fixtures import Sandbox, Servers, sandbox
from deploy.local.servers.kafka import RunningKafka
from deploy.local.servers.server import Running
from schemas.status_fast import decode_status
from services.clearance.migration_folders import CLEARANCE_FOLDERS

MODEL = "TS00000001"
"""The one student of the lists' measurement."""
GROUP = "bench"


@pytest.fixture(scope="module")
def box(postgres: Running, kafka: RunningKafka) -> Iterator[Sandbox]:
    with sandbox(Servers(postgres.address, kafka.address), CLEARANCE_FOLDERS, (), 1) as made:
        asyncio.run(_grown(made))
        yield made


async def _grown(box: Sandbox) -> None:
    await lists.fill(box.dsn, 1)
    connection = await asyncpg.connect(box.dsn)
    try:
        await view.prepare(connection, MODEL)
        await view.grow(connection, MODEL, 0, 10)
        await view.grow(connection, MODEL, 10, 25)
    finally:
        await connection.close()


async def test_every_student_has_a_case_and_a_status_of_each_department(box: Sandbox) -> None:
    connection = await asyncpg.connect(box.dsn)
    numbers = [events.student(number) for number in range(25)]
    cases = await connection.fetch("SELECT student_id FROM student_case WHERE student_id <> $1 ORDER BY 1", MODEL)
    statuses = await connection.fetch("SELECT student_id, count(*) FROM status GROUP BY 1 HAVING count(*) = 4")
    await connection.close()
    assert [row["student_id"] for row in cases] == numbers
    assert {row["student_id"] for row in statuses} == {MODEL, *numbers}


async def test_a_student_of_the_library_is_open_in_view_document_and_work_list(box: Sandbox) -> None:
    connection = await asyncpg.connect(box.dsn)
    rows = await connection.fetch(
        """SELECT student_id, version, status, listed.open_codes = status.open_codes AS listed
        FROM status LEFT JOIN open_status AS listed USING (student_id, department) WHERE department = $1""",
        events.DEPARTMENT,
    )
    await connection.close()
    assert len(rows) == 26
    for row in rows:
        document = decode_status(row["status"].encode())
        assert (document.student_id, document.version) == (row["student_id"], row["version"]) == (row["student_id"], 1)
        assert row["listed"], "the triggers did not run, so the list was written beside them"


async def test_a_leg_finds_the_view_as_the_one_before_it(box: Sandbox) -> None:
    connection = await asyncpg.connect(box.dsn)
    before = await connection.fetch(_POSITIONS)
    touched = [events.student(3), events.student(4)]
    await connection.execute(
        "UPDATE status SET version = 9, source_partition = 11, source_offset = 40, older_offset = 50, first_offset = 5 "
        "WHERE department = $1 AND student_id = ANY($2)",
        events.DEPARTMENT,
        touched,
    )
    await connection.execute(
        "INSERT INTO consumer_offset (consumer, topic, partition, next_offset) VALUES ($1, 't', 0, 9)", GROUP
    )
    assert await connection.fetch(_POSITIONS) != before
    await view.restore(connection, MODEL, touched, GROUP)
    assert await connection.fetch(_POSITIONS) == before
    assert not await connection.fetchval("SELECT count(*) FROM consumer_offset")
    await connection.close()


_POSITIONS = """
SELECT student_id, department, version, source_partition, source_offset, unreadable_offset, older_offset, first_offset
FROM status ORDER BY student_id, department
"""
