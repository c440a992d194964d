"""From the topics to the view, on the real broker and database."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest

from deploy.local.servers.kafka import RunningKafka
from schemas.events import Verdict
from services.clearance.view import view_store
from services.clearance.view.projector import Projector
from services.clearance.view.rows import Row
from services.clearance.view.view_store import view_hash
from services.kit.names import VIEW_CHANNEL
from services.kit.view_groups import MOST_NAMED, group_of
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture, status
from tests.support.kafka.members import assigned
from tests.support.waiting import eventually

POISON = {
    "bad JSON": b'{"specversion":"1.0",',
    "not an event": b'{"hello":"clearance"}',
    "bad UTF-8": b"\xff\xfe\xfd",
    "deep nesting": b"[" * 50_000,
    "no value": None,
    "a repeated key": b'{"specversion":"1.0","specversion":"1.0","id":"1","source":"/x","type":"y","data":{}}',
    "NaN": b'{"specversion":"1.0","id":"1","source":"/x","type":"lixiao.status-changed.v1","data":NaN}',
    "half a megabyte": b'"' + b"x" * 500_000 + b'"',
}


@pytest.fixture
async def clearance(database: str, kafka: RunningKafka, namespace: str) -> AsyncIterator[ClearanceFixture]:
    async with clearance_fixture(database, kafka.address, namespace) as made:
        yield made


@asynccontextmanager
async def running(projector: Projector) -> AsyncIterator[Projector]:
    task = asyncio.create_task(projector.run())
    try:
        yield projector
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def student() -> str:
    return f"TS{secrets.token_hex(6).upper()}"


async def test_what_a_department_says_is_in_the_view_with_its_freshness(clearance: ClearanceFixture) -> None:
    who, as_of = student(), datetime.now(UTC).replace(microsecond=0)
    async with running(clearance.projector()):
        said = status(who, 1, verdict=Verdict.BLOCKED)
        await clearance.publish(said)
        await clearance.publish_alive_mark("library", as_of)

        async def fresh() -> bool:
            row = await clearance.row(who)
            return row is not None and row["alive_as_of"] == as_of

        await eventually(fresh, what="the status and its mark")
    row = await clearance.row(who)
    assert row is not None
    assert row["readable"]
    assert json.loads(row["status"]) == said.model_dump(mode="json")
    assert row["occurred_at"] == said.occurred_at


async def test_duplicates_and_late_versions_end_at_the_newest(clearance: ClearanceFixture) -> None:
    people = [student() for _ in range(50)]
    async with running(clearance.projector(max_records=7)):
        for versions in ((3, 1), (2, 3), (5, 4), (1, 5)):
            await clearance.publish(*[status(who, version) for who in people for version in versions if version != 3])
        await eventually(partial(_all, clearance, people, 5), what="version 5")


async def test_poison_hides_its_own_student_only_and_is_kept(clearance: ClearanceFixture) -> None:
    victims = {name: student() for name in POISON}
    bystanders = [student() for _ in range(30)]
    async with running(clearance.projector()):
        await clearance.publish(*[status(who, 1) for who in victims.values()])
        for name, value in POISON.items():
            await clearance.poison(victims[name], value)
        await clearance.publish(*[status(who, 1) for who in bystanders])
        await eventually(partial(_all, clearance, bystanders, 1), what="the others' statuses")

        async def all_parked() -> bool:
            return len(await clearance.dead_letters()) == len(POISON)

        await eventually(all_parked, what="every poisoned record parked")
    for who in victims.values():
        row = await clearance.row(who)
        assert row is not None
        assert row["version"] == 1
        assert not row["readable"]
    letters = await clearance.dead_letters()
    assert {letter["key"].decode() for letter in letters} == set(victims.values())
    assert not any(who in letter["reason"] for letter in letters for who in victims.values())
    assert await _consumed(clearance) == len(victims) + len(POISON) + len(bystanders)


async def test_a_tombstone_removes_its_student_from_the_view_and_a_later_status_returns_them(
    clearance: ClearanceFixture,
) -> None:
    who, other = student(), student()
    async with running(clearance.projector()):
        await clearance.publish(status(who, 7), status(other, 7))
        await clearance.poison(who, b"{")
        await eventually(lambda: _readable(clearance, who, False), what="the hidden status")
        await clearance.forget(who)
        await clearance.publish(status(other, 8))
        await eventually(lambda: _is(clearance, other, 8), what="the next status")

        async def gone() -> bool:
            return await clearance.row(who) is None

        await eventually(gone, what="the row to go")
        assert await clearance.dead_letters() == []
        await clearance.publish(status(who, 1))
        await eventually(lambda: _readable(clearance, who, True), what="the student again, from version 1")
    assert await _consumed(clearance) == 6


async def test_a_reused_version_is_parked_and_its_item_unreadable_until_a_newer_one(
    clearance: ClearanceFixture,
) -> None:
    who = student()
    async with running(clearance.projector()):
        await clearance.publish(status(who, 4))
        await eventually(lambda: _is(clearance, who, 4), what="version 4")
        await clearance.publish(status(who, 4, verdict=Verdict.BLOCKED))
        await eventually(lambda: _readable(clearance, who, False), what="the dispute")
        (letter,) = await clearance.dead_letters()
        assert "published before" in letter["reason"]
        await clearance.publish(status(who, 5))
        await eventually(lambda: _readable(clearance, who, True), what="the newer version")


async def test_replay_from_zero_in_place_gives_an_equal_view(clearance: ClearanceFixture) -> None:
    people = [student() for _ in range(40)]
    async with running(clearance.projector()):
        for version in (1, 2, 3):
            await clearance.publish(
                *[status(who, version, department=name) for who in people for name in ("library", "dorm")]
            )
        await clearance.poison(people[0], b"{")
        await clearance.publish(status("TS-LAST", 1))
        await eventually(lambda: _settled(clearance), what="everything applied")
    before = await view_hash(clearance.pool)
    await clearance.pool.execute("DELETE FROM consumer_offset")
    await clearance.pool.execute("DELETE FROM status WHERE student_id = ANY($1)", people[:20])
    async with running(clearance.projector(max_records=11)):
        await eventually(lambda: _settled(clearance), what="everything applied again")
    assert await view_hash(clearance.pool) == before
    assert len(await clearance.dead_letters()) == 1


async def test_two_projectors_share_the_partitions_and_one_takes_over_from_the_other(
    clearance: ClearanceFixture,
) -> None:
    people = [student() for _ in range(60)]
    first, second = clearance.projector(), clearance.projector()
    async with running(second):
        async with running(first):
            await eventually(
                lambda: assigned(first.consumer) > 0 and assigned(second.consumer) > 0,
                what="both to have partitions",
                timeout_s=40,
            )
            await clearance.publish(*[status(who, 1) for who in people])
            await eventually(partial(_all, clearance, people, 1), what="version 1")
        await clearance.publish(*[status(who, 2) for who in people])
        await eventually(partial(_all, clearance, people, 2), what="version 2 from the one left", timeout_s=40)


async def test_a_listener_hears_of_a_change_once_it_can_be_read(clearance: ClearanceFixture) -> None:
    who = student()
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(clearance.dsn)
    await listener.add_listener(VIEW_CHANNEL, lambda *notice: heard.put_nowait(str(notice[-1])))
    async with running(clearance.projector()):
        await clearance.publish(status(who, 1))
        async with asyncio.timeout(20):
            assert await heard.get() == group_of(who)
    assert await clearance.version(who) == 1
    await listener.close()


async def test_a_batch_of_many_changes_may_concern_everybody(clearance: ClearanceFixture) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(clearance.dsn)
    await listener.add_listener(VIEW_CHANNEL, lambda *notice: heard.put_nowait(str(notice[-1])))
    rows = [status_row_of(student()) for _ in range(MOST_NAMED + 3)]
    for some, expected in ((rows[:2], {group_of(one.student_id) for one in rows[:2]}), (rows, {""})):
        async with clearance.pool.acquire() as connection:
            await view_store.apply_rows(connection, sorted(some, key=lambda one: one.key), now=datetime.now(UTC))
        async with asyncio.timeout(20):
            assert set((await heard.get()).split(",")) == expected
    await listener.close()


def status_row_of(who: str) -> Row:
    return Row(who, "library", 0, version=1, offset=1, status=b"{}")


async def test_a_discarded_record_hides_nothing_when_it_is_read_again(clearance: ClearanceFixture) -> None:
    who = student()
    async with running(clearance.projector()):
        await clearance.publish(status(who, 1))
        await clearance.poison(who, b"{")
        await eventually(lambda: _readable(clearance, who, False), what="the mark")
    await clearance.pool.execute("UPDATE dead_letter SET ended_at = now(), ended_how = 'discarded', ended_by = 'x'")
    await clearance.pool.execute("DELETE FROM consumer_offset")
    await clearance.pool.execute("TRUNCATE status")
    async with running(clearance.projector()):
        await eventually(lambda: _readable(clearance, who, True), what="the status without the mark")
        await eventually(lambda: _settled(clearance), what="everything applied again")
    assert await _readable(clearance, who, True)


async def test_a_mark_from_the_future_does_not_keep_a_source_fresh(clearance: ClearanceFixture) -> None:
    async with running(clearance.projector()):
        await clearance.publish_alive_mark("library", datetime.now(UTC) + timedelta(days=3650))
        await eventually(lambda: _settled(clearance), what="the marks")
    newest = await clearance.pool.fetchval("SELECT max(alive_as_of) FROM published.source_v1")
    assert newest <= datetime.now(UTC)


async def _is(clearance: ClearanceFixture, who: str, version: int) -> bool:
    return await clearance.version(who) == version


async def _all(clearance: ClearanceFixture, people: list[str], version: int) -> bool:
    reached = await clearance.pool.fetchval(
        "SELECT count(*) FROM status WHERE student_id = ANY($1) AND version = $2", people, version
    )
    return bool(reached == len(people))


async def _readable(clearance: ClearanceFixture, who: str, readable: bool) -> bool:
    row = await clearance.row(who)
    return row is not None and row["readable"] is readable


async def _consumed(clearance: ClearanceFixture) -> int:
    return int(await clearance.pool.fetchval("SELECT coalesce(sum(next_offset), 0) FROM consumer_offset"))


async def _settled(clearance: ClearanceFixture) -> bool:
    """Everything that is in the topics was applied, parked or stale."""
    return await _consumed(clearance) == await clearance.end_offset() > 0


async def test_a_status_that_the_database_refuses_hides_its_student_and_no_other(
    clearance: ClearanceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, others = student(), [student() for _ in range(6)]
    apply_rows = view_store.apply_rows

    async def refusing(connection: Any, rows: Any, **options: Any) -> Any:
        if any(row.student_id == refused and row.version == 2 for row in rows):
            await connection.execute("SELECT '1e400000'::jsonb")
        return await apply_rows(connection, rows, **options)

    monkeypatch.setattr(view_store, "apply_rows", refusing)
    await clearance.publish(
        *[status(who, version) for version in (1, 2) for who in (*others[:3], refused, *others[3:])]
    )
    async with running(clearance.projector()):

        async def all_read() -> bool:
            done = await clearance.pool.fetchval("SELECT sum(next_offset) FROM consumer_offset")
            return bool(done == await clearance.end_offset())

        await eventually(all_read, what="every position at its end")
    assert [await clearance.version(who) for who in others] == [2] * 6
    row = await clearance.row(refused)
    assert row is not None
    assert (row["version"], row["readable"]) == (1, False)
    (letter,) = await clearance.dead_letters()
    assert letter["key"] == refused.encode()
