"""Dead letters: looked at, read again, put away; and what each does to the student's item."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiokafka import ConsumerRecord
from rich.console import Console
from typer.testing import CliRunner

from deploy.local.servers.kafka import RunningKafka
from schemas.codec import Unreadable, read
from schemas.events import StatusChanged
from services.clearance.__main__ import cli
from services.clearance.view.projector import Projector
from services.clearance.view.status_dead_letters import clear_unreadable_mark
from services.kit.messaging.dead_letters import actions
from services.kit.messaging.dead_letters.actions import DeadLetterClosed, ReplayHandler, StillUnreadable
from services.kit.messaging.dead_letters.cli import DeadLetterStore, commands
from services.kit.messaging.dead_letters.store import DeadLetter, store_dead_letters
from services.kit.messaging.log_positions.offsets import Records
from services.kit.postgres.pool import Connection, open_pool
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture, status, written

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
FIXED = b"{ what older code could not read }"


@pytest.fixture
async def clearance(database: str, kafka: RunningKafka, namespace: str) -> AsyncIterator[ClearanceFixture]:
    async with clearance_fixture(database, kafka.address, namespace) as made:
        yield made


@pytest.fixture
def projector(clearance: ClearanceFixture) -> Projector:
    return clearance.projector()


@pytest.fixture
def readers(projector: Projector) -> dict[str, ReplayHandler]:
    ended = clear_unreadable_mark(projector.group, projector.topics)
    return {projector.group: ReplayHandler(projector.apply, ended, projector.committed)}


def student() -> str:
    return f"TS{secrets.token_hex(6).upper()}"


def record(clearance: ClearanceFixture, who: str, offset: int, said: StatusChanged | bytes | None) -> ConsumerRecord:
    value = written(said) if isinstance(said, StatusChanged) else said
    topic = clearance.topics.status("library")
    sizes = (len(who), len(value or b""))
    return ConsumerRecord(topic, 0, offset, 0, 0, who.encode(), value, None, *sizes, (("h", None), ("t", b"\xff")))


async def consume(clearance: ClearanceFixture, projector: Projector, *records: ConsumerRecord) -> None:
    """What the inbox does with a batch."""
    async with clearance.pool.acquire() as connection, connection.transaction():
        await store_dead_letters(connection, projector.group, await projector.apply(connection, records))


async def letter_ids(clearance: ClearanceFixture) -> list[int]:
    async with clearance.pool.acquire() as connection:
        return [letter.id for letter in (await actions.page(connection))[0]]


async def replay(clearance: ClearanceFixture, letter_id: int, readers: dict[str, ReplayHandler]) -> None:
    async with clearance.pool.acquire() as connection:
        await actions.replay(connection, letter_id, readers, by="operator-1")


async def discard(clearance: ClearanceFixture, letter_id: int, readers: dict[str, ReplayHandler]) -> None:
    async with clearance.pool.acquire() as connection:
        await actions.discard(connection, letter_id, readers, by="operator-1", why="a test of the sender")


async def readable(clearance: ClearanceFixture, who: str) -> bool | None:
    row = await clearance.row(who)
    return None if row is None else row["readable"]


async def mended(clearance: ClearanceFixture, letter_id: int, said: StatusChanged) -> None:
    """As if the code of today could read it: the same record, in a form that it can."""
    await clearance.pool.execute("UPDATE dead_letter SET value = $2 WHERE id = $1", letter_id, written(said))


async def test_what_is_still_unreadable_stays_open_and_hides_its_item(
    clearance: ClearanceFixture, projector: Projector, readers: dict[str, ReplayHandler]
) -> None:
    who = student()
    await consume(clearance, projector, record(clearance, who, 1, status(who, 1)), record(clearance, who, 2, FIXED))
    (letter,) = await letter_ids(clearance)
    with pytest.raises(StillUnreadable):
        await replay(clearance, letter, readers)
    assert await letter_ids(clearance) == [letter]
    assert await readable(clearance, who) is False


async def test_a_replayed_record_is_applied_at_its_own_offset(
    clearance: ClearanceFixture, projector: Projector, readers: dict[str, ReplayHandler]
) -> None:
    who = student()
    await consume(clearance, projector, record(clearance, who, 1, status(who, 1)), record(clearance, who, 2, FIXED))
    (letter,) = await letter_ids(clearance)
    await mended(clearance, letter, status(who, 2))
    await replay(clearance, letter, readers)
    row = await clearance.pool.fetchrow("SELECT version, source_offset, unreadable_offset FROM status")
    assert row is not None
    assert tuple(row) == (2, 2, None)
    assert await readable(clearance, who) is True
    assert await letter_ids(clearance) == []


async def test_a_replayed_record_never_takes_a_newer_status_back(
    clearance: ClearanceFixture, projector: Projector, readers: dict[str, ReplayHandler]
) -> None:
    who = student()
    await consume(clearance, projector, record(clearance, who, 2, FIXED), record(clearance, who, 3, status(who, 3)))
    (letter,) = await letter_ids(clearance)
    await mended(clearance, letter, status(who, 2))
    await replay(clearance, letter, readers)
    assert await clearance.version(who) == 3


async def test_a_discarded_record_hides_its_item_no_more_unless_another_does(
    clearance: ClearanceFixture, projector: Projector, readers: dict[str, ReplayHandler]
) -> None:
    who = student()
    said = record(clearance, who, 1, status(who, 1))
    await consume(clearance, projector, said, record(clearance, who, 2, None), record(clearance, who, 3, FIXED))
    older, newer = await letter_ids(clearance)
    await discard(clearance, newer, readers)
    assert await readable(clearance, who) is False
    await discard(clearance, older, readers)
    assert await readable(clearance, who) is True
    async with clearance.pool.acquire() as connection:
        (first, second), following = await actions.page(connection, ended=True)
    assert (first.ended_how, first.ended_by, first.ended_why) == ("discarded", "operator-1", "a test of the sender")
    assert second.id == newer
    assert following is None


async def test_discarding_all_that_was_said_of_a_student_leaves_nothing_said(
    clearance: ClearanceFixture, projector: Projector, readers: dict[str, ReplayHandler]
) -> None:
    who = student()
    await consume(clearance, projector, record(clearance, who, 2, FIXED))
    assert await readable(clearance, who) is False
    (letter,) = await letter_ids(clearance)
    await discard(clearance, letter, readers)
    assert await clearance.row(who) is None


async def test_a_letter_is_ended_once(
    clearance: ClearanceFixture, projector: Projector, readers: dict[str, ReplayHandler]
) -> None:
    who = student()
    await consume(clearance, projector, record(clearance, who, 2, FIXED))
    (letter,) = await letter_ids(clearance)
    answers = await asyncio.gather(*(discard(clearance, letter, readers) for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers if answer] == [DeadLetterClosed] * 4
    with pytest.raises(DeadLetterClosed):
        await replay(clearance, letter, readers)


async def test_a_letter_parked_while_another_is_discarded_still_hides_its_item(
    clearance: ClearanceFixture, projector: Projector, readers: dict[str, ReplayHandler]
) -> None:
    who = student()
    await consume(clearance, projector, record(clearance, who, 1, status(who, 1)), record(clearance, who, 2, FIXED))
    (letter,) = await letter_ids(clearance)
    async with clearance.pool.acquire() as connection, connection.transaction():
        dead_letters = await projector.apply(connection, [record(clearance, who, 3, b"[]")])
        await store_dead_letters(connection, projector.group, dead_letters)
        discarding = asyncio.create_task(discard(clearance, letter, readers))
        await asyncio.sleep(0.2)
        assert not discarding.done()
    await discarding
    assert await readable(clearance, who) is False


async def test_pages_follow_each_other(clearance: ClearanceFixture, projector: Projector) -> None:
    await consume(clearance, projector, *[record(clearance, student(), offset, FIXED) for offset in range(5)])
    async with clearance.pool.acquire() as connection:
        first, following = await actions.page(connection, limit=3)
        assert following == first[-1].id
        second, end = await actions.page(connection, limit=3, after=following)
    assert [letter.offset for letter in (*first, *second)] == [0, 1, 2, 3, 4]
    assert end is None


async def test_the_command_line_lists_without_personal_data_shows_replays_and_discards(
    clearance: ClearanceFixture, projector: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    clearance.configure(monkeypatch)
    who = student()
    await consume(
        clearance,
        projector,
        record(clearance, who, 1, status(who, 1)),
        *[record(clearance, who, at, FIXED) for at in (2, 3)],
    )

    async def command(*arguments: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, cli, ["dead-letters", *arguments])
        return result.exit_code, result.output

    first, second = await letter_ids(clearance)
    code, listed = await command("list")
    assert code == 0
    assert str(first) in listed
    assert who not in listed
    code, shown = await command("show", str(first))
    assert who in shown
    assert FIXED.decode() in shown
    code, again = await command("replay", "--all")
    assert (code, "0 replayed, 2 still unreadable" in again) == (1, True)
    assert (await command("discard", str(second), "--why", " "))[0] != 0
    assert (await command("discard", str(second), "--why", "broken sender"))[0] == 0
    await mended(clearance, first, status(who, 2))
    assert await command("replay", str(first)) == (0, "1 replayed, 0 still unreadable\n")
    code, gone = await command("replay", str(first))
    assert (code, "No open dead letter" in gone) == (1, True)
    assert await readable(clearance, who) is True


async def test_a_reason_with_brackets_is_listed_as_it_is(
    clearance: ClearanceFixture, projector: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    clearance.configure(monkeypatch)
    monkeypatch.setattr("services.kit.messaging.dead_letters.cli._out", Console(width=200))
    event = b'{"specversion":"1.0","id":"1","source":"s","type":"[/b] [a-z]","data":{}}'
    with pytest.raises(Unreadable) as refused:
        read(event)
    dead_letter = DeadLetter(record(clearance, student(), 1, event), str(refused.value))
    async with clearance.pool.acquire() as connection:
        await store_dead_letters(connection, projector.group, [dead_letter])
    listed = await asyncio.to_thread(CliRunner().invoke, cli, ["dead-letters", "list"])
    assert (listed.exit_code, "'[/b] [a-z]'" in listed.output) == (0, True)


async def test_replaying_all_goes_on_behind_one_that_somebody_else_has_ended(
    clearance: ClearanceFixture, projector: Projector, readers: dict[str, ReplayHandler]
) -> None:
    who = student()
    await consume(clearance, projector, *[record(clearance, who, at, FIXED) for at in (1, 2, 3)])
    first, second, third = await letter_ids(clearance)
    for version, letter in ((1, first), (3, third)):
        await mended(clearance, letter, status(who, version))

    async def and_another_is_discarded(connection: Connection, records: Records) -> list[DeadLetter]:
        if records[0].offset == 1:
            await actions.discard(connection, second, {}, by="operator-2", why="it came again since")
        return await projector.apply(connection, records)

    @asynccontextmanager
    async def opened() -> AsyncIterator[DeadLetterStore]:
        pool = await open_pool(clearance.dsn, name="command", max_size=2)
        try:
            yield DeadLetterStore(pool, {projector.group: ReplayHandler(and_another_is_discarded)})
        finally:
            await pool.close()

    done = await asyncio.to_thread(CliRunner().invoke, commands, ["replay", "--all"], obj=opened)
    assert (done.exit_code, done.output) == (0, "2 replayed, 0 still unreadable\n")
    assert await letter_ids(clearance) == []
