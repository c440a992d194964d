"""One status with its position by one statement: both or neither, and what is more than that is left to the rest."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from deploy.local.servers.kafka import RunningKafka
from schemas.events import Verdict
from services.clearance.view import view_store
from services.clearance.view.rows import Row
from services.clearance.view.view_store import apply_alone, apply_rows
from services.kit.messaging.log_positions.offsets import OneClaim
from services.kit.names import VIEW_CHANNEL
from services.kit.view_groups import group_of
from tests.component.clearance.view.test_projector import running
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture, status
from tests.support.waiting import eventually

NOW: Final = datetime(2026, 6, 1, 8, tzinfo=UTC)
WHO: Final = "TS0000000001"
CLAIM: Final = OneClaim("group", "topic", 3, 10, b"8 octets", 0, uuid4(), 12, b"the next")
READ_ON: Final = (12, b"the next")
AS_IT_WAS: Final = (10, b"8 octets")


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """With the position of `CLAIM`, and version 4 of a student in the view."""
    opened = await asyncpg.connect(dsn)
    await opened.execute("TRUNCATE status, consumer_offset")
    await opened.execute(
        "INSERT INTO consumer_offset (consumer, topic, partition, next_offset, last_record, resets, topic_id)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *CLAIM[:7],
    )
    await apply_rows(opened, [row(4, 9)], now=NOW)
    yield opened
    await opened.close()


def row(version: int, offset: int = 11, student_id: str = WHO) -> Row:
    return Row(student_id, "library", 3, version, offset, NOW.isoformat(), b'{"is":"%d"}' % version)


async def position(connection: "asyncpg.Connection[Any]") -> tuple[int, bytes]:
    found = await connection.fetchrow("SELECT next_offset, last_record FROM consumer_offset")
    assert found is not None
    return found["next_offset"], found["last_record"]


async def version(connection: "asyncpg.Connection[Any]", student_id: str = WHO) -> int | None:
    found: int | None = await connection.fetchval("SELECT version FROM status WHERE student_id = $1", student_id)
    return found


@pytest.mark.parametrize("student_id", [WHO, "TS0000000002"])
async def test_a_newer_status_is_stored_with_its_position_and_notified(
    connection: "asyncpg.Connection[Any]", student_id: str
) -> None:
    notices: list[str] = []
    await connection.add_listener(VIEW_CHANNEL, lambda *notice: notices.append(notice[3]))
    assert await apply_alone(connection, row(5, student_id=student_id), CLAIM, now=NOW)
    assert (await version(connection, student_id), await position(connection)) == (5, READ_ON)
    await eventually(lambda: notices == [group_of(student_id)], what="the notice")


@pytest.mark.parametrize(
    "other",
    [
        {"known_offset": 9},
        {"known_offset": 11},
        {"known_record": b"replaced"},
        {"resets": 1},
        {"topic_id": uuid4()},
        {"partition": 4},
        {"group": "another"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_where_somebody_else_has_read_on_or_the_log_is_another_nothing_is_stored(
    connection: "asyncpg.Connection[Any]", other: dict[str, Any]
) -> None:
    assert not await apply_alone(connection, row(5), CLAIM._replace(**other), now=NOW)
    assert (await version(connection), await position(connection)) == (4, AS_IT_WAS)


@pytest.mark.parametrize("known", [3, 4])
async def test_what_the_view_has_already_or_disputes_is_left_to_the_usual_way(
    connection: "asyncpg.Connection[Any]", known: int
) -> None:
    before = await connection.fetchrow("SELECT * FROM status")
    assert not await apply_alone(connection, row(known), CLAIM, now=NOW)
    assert await connection.fetchrow("SELECT * FROM status") == before
    assert await position(connection) == AS_IT_WAS


async def test_a_student_with_an_accepted_form_is_left_to_the_usual_way(connection: "asyncpg.Connection[Any]") -> None:
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        f"""
        CREATE OR REPLACE VIEW attested_number AS
        SELECT gen_random_uuid() AS attempt_id, '{WHO}'::text AS student_id, 0 AS ordinal,
               gen_random_uuid() AS asked_id, '{{}}'::jsonb AS facts, now() AS accepted_at
        """
    )
    assert not await apply_alone(connection, row(5), CLAIM, now=NOW)
    assert (await version(connection), await position(connection)) == (4, AS_IT_WAS)
    assert await apply_alone(connection, row(5, student_id="TS0000000002"), CLAIM, now=NOW)
    await transaction.rollback()


async def test_it_writes_what_a_batch_writes(connection: "asyncpg.Connection[Any]") -> None:
    blocked = msgspec.structs.replace(row(5), open_codes="borrowing:debt-open")
    assert await apply_alone(connection, blocked, CLAIM, now=NOW)
    alone = await connection.fetchrow("SELECT * FROM status")
    await connection.execute("TRUNCATE status")
    await apply_rows(connection, [row(4, 9)], now=NOW)
    await apply_rows(connection, [blocked], now=NOW)
    assert await connection.fetchrow("SELECT * FROM status") == alone


@pytest.fixture
async def clearance(database: str, kafka: RunningKafka, namespace: str) -> AsyncIterator[ClearanceFixture]:
    async with clearance_fixture(database, kafka.address, namespace) as made:
        yield made


async def test_statuses_that_come_one_by_one_are_stored_alone_and_others_among_them_as_ever(
    clearance: ClearanceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, answers = f"TS{secrets.token_hex(6).upper()}", list[bool]()

    async def noted(*given: Any, **options: Any) -> bool:
        answers.append(await apply_alone(*given, **options))
        return answers[-1]

    monkeypatch.setattr(view_store, "apply_alone", noted)
    async with running(clearance.projector()):
        for number in range(1, 5):
            await clearance.publish(status(who, number))
            await eventually(partial(_is_at, clearance, who, number), what=f"version {number}")
        assert answers == [True] * 3, "the first of a partition has no position yet"
        await clearance.publish(status(who, 4, verdict=Verdict.BLOCKED))
        await eventually(lambda: _dead_letters(clearance, 1), what="the other content of version 4")
        await clearance.poison(who, b"{}")
        await eventually(lambda: _dead_letters(clearance, 2), what="the unreadable record")
        await clearance.publish(status(who, 5))
        await eventually(partial(_is_at, clearance, who, 5), what="version 5")
    assert answers == [True] * 3 + [False, True]
    stored = await clearance.pool.fetchval("SELECT sum(next_offset) FROM consumer_offset")
    assert stored == await clearance.end_offset()


async def _is_at(clearance: ClearanceFixture, who: str, number: int) -> bool:
    return await clearance.version(who) == number


async def _dead_letters(clearance: ClearanceFixture, count: int) -> bool:
    return len(await clearance.dead_letters()) == count
