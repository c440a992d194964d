"""The view folded anew beside the live one: compared at one frontier, switched only when equal."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.local.servers.kafka import RunningKafka
from schemas.events import Verdict
from services.clearance.__main__ import cli
from services.clearance.view.rebuilding.rebuild import rebuild
from services.clearance.view.rebuilding.rebuilt_table import Comparison, RebuiltTable
from services.clearance.view.rebuilding.topic_reader import RebuildFailed
from services.clearance.view.view_store import view_hash
from services.kit.cancelling import ended
from services.kit.messaging.relaying.producer import OutboundRecord
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture, status, written
from tests.support.waiting import eventually


@pytest.fixture
async def clearance(database: str, kafka: RunningKafka, namespace: str) -> AsyncIterator[ClearanceFixture]:
    async with clearance_fixture(database, kafka.address, namespace) as made:
        yield made


async def folded(clearance: ClearanceFixture, **options: Any) -> Comparison:
    projector = clearance.projector()
    return await rebuild(
        clearance.dsn, kafka=clearance.kafka, group=clearance.group, topics=projector.topics, **options
    )


async def filled(clearance: ClearanceFixture, versions: int = 3) -> list[str]:
    """A view of 40 students, one of them hidden, with the projector stopped."""
    people = [f"TS{secrets.token_hex(6).upper()}" for _ in range(40)]
    for version in range(1, versions + 1):
        await clearance.publish(
            *[status(who, version, department=name) for who in people for name in ("library", "dorm")]
        )
    await clearance.poison(people[0], b"{")
    await project(clearance)
    return people


@asynccontextmanager
async def projecting(clearance: ClearanceFixture) -> AsyncIterator[None]:
    task = asyncio.create_task(clearance.projector().run())
    try:
        yield
    finally:
        await ended([task])


async def project(clearance: ClearanceFixture) -> None:
    """Everything that is in the topics."""
    async with projecting(clearance):
        await all_applied(clearance)


async def all_applied(clearance: ClearanceFixture) -> None:
    async def applied() -> bool:
        done = await clearance.pool.fetchval("SELECT coalesce(sum(next_offset), 0) FROM consumer_offset")
        return bool(done == await clearance.end_offset())

    await eventually(applied, what="everything applied")


async def test_a_rebuilt_view_has_nobody_whom_a_tombstone_forgot(clearance: ClearanceFixture) -> None:
    people = await filled(clearance)
    async with projecting(clearance):
        for name in ("library", "dorm"):
            for who in people[:2]:
                await clearance.forget(who, department=name)
        await clearance.publish(status(people[1], 1))

        async def applied() -> bool:
            return await clearance.version(people[0]) is None and await clearance.version(people[1]) == 1

        await eventually(applied, what="the tombstones")
    compared = await folded(clearance)
    assert compared.equal
    assert (compared.live_rows, compared.rebuilt_rows) == (77, 77)


async def test_the_rebuilt_view_equals_the_live_one_and_takes_its_place(clearance: ClearanceFixture) -> None:
    people = await filled(clearance)
    before = await clearance.pool.fetch("SELECT * FROM published.status_v1 ORDER BY 1, 2")
    await clearance.pool.execute("DELETE FROM open_status WHERE student_id = $1", people[2])
    compared = await folded(clearance)
    assert compared.equal
    assert compared.switched
    assert (compared.live_rows, compared.rebuilt_rows, compared.differing) == (80, 80, 0)
    assert compared.records == await clearance.end_offset()
    assert await clearance.pool.fetch("SELECT * FROM published.status_v1 ORDER BY 1, 2") == before
    assert await clearance.pool.fetchval("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'status\\_%'") == 0
    # What is read and written by name is now the new table, for the projector and for the reader's views.
    async with projecting(clearance):
        await clearance.publish(status(people[1], 9))

        async def arrived() -> bool:
            return await clearance.version(people[1]) == 9

        await eventually(arrived, what="a status in the switched view")
        # So do the work lists, which were mended as well.
        listed = await clearance.pool.fetch("SELECT student_id, department, open_codes FROM open_status ORDER BY 1, 2")
        open_ones = "SELECT student_id, department, open_codes FROM status WHERE open_since IS NOT NULL ORDER BY 1, 2"
        assert listed == await clearance.pool.fetch(open_ones)
        await clearance.pool.execute("UPDATE status SET open_since = now(), open_codes = 'loans:books'")
        assert await clearance.pool.fetchval("SELECT count(*) FROM open_status") == 80
    assert (await folded(clearance)).switched


async def test_an_edited_view_is_found_and_not_replaced_unasked(clearance: ClearanceFixture) -> None:
    people = await filled(clearance)
    await clearance.pool.execute("UPDATE status SET status = '{}' WHERE student_id = $1", people[3])
    await clearance.pool.execute("DELETE FROM status WHERE student_id = $1 AND department = 'dorm'", people[4])
    edited = await view_hash(clearance.pool)
    compared = await folded(clearance)
    assert (compared.differing, compared.equal, compared.switched) == (3, False, False)
    assert await view_hash(clearance.pool) == edited
    assert (await folded(clearance, accept_differences=True)).switched
    assert (await folded(clearance, switch=False)).equal


async def test_a_check_leaves_the_live_view_alone(clearance: ClearanceFixture) -> None:
    await filled(clearance)
    table = await clearance.pool.fetchval("SELECT 'status'::regclass::oid")
    compared = await folded(clearance, switch=False)
    assert compared.equal
    assert not compared.switched
    assert await clearance.pool.fetchval("SELECT 'status'::regclass::oid") == table


async def test_a_projector_that_lags_is_compared_where_it_stands(clearance: ClearanceFixture) -> None:
    people = await filled(clearance)
    await clearance.publish(*[status(who, 7) for who in people])
    assert (await folded(clearance)).equal
    assert await clearance.version(people[1]) == 3


async def test_the_view_is_rebuilt_while_changes_go_on(clearance: ClearanceFixture) -> None:
    people = await filled(clearance)
    async with projecting(clearance):
        done = asyncio.Event()

        async def changes() -> int:
            version = 3
            while not done.is_set():
                version += 1
                await clearance.publish(*[status(who, version) for who in people])
            return version

        saying = asyncio.create_task(changes())
        try:
            for _ in range(3):
                compared = await folded(clearance)
                assert compared.equal
                assert compared.switched
        finally:
            done.set()
        last = await saying

        async def newest() -> bool:
            return bool(
                await clearance.pool.fetchval(
                    "SELECT bool_and(version = $1) FROM status WHERE department = 'library'", last
                )
            )

        await eventually(newest, what="the newest versions")
    assert (await folded(clearance, switch=False)).equal


ROWS = """
SELECT student_id, department, version, occurred_at, source_partition, source_offset, unreadable_offset, disputed,
       status, older_offset, open_codes, first_offset
FROM status ORDER BY 1, 2
"""


async def test_hostile_sequences_fold_to_the_rows_of_the_projector_however_few_are_in_memory(
    clearance: ClearanceFixture,
) -> None:
    people = [f"TS{secrets.token_hex(6).upper()}" for _ in range(12)]
    async with projecting(clearance):
        for number, who in enumerate(people):
            await clearance.publish(*[status(who, version) for version in (3, 1, 2, 4, 4)[: 1 + number % 5]])
        again, went_back, other, hidden, gone, back, strange, moved, spaced = people[:9]
        await clearance.publish(status(again, 9), status(again, 9))
        await clearance.publish(status(went_back, 9), status(went_back, 8))
        await clearance.publish(status(other, 9), status(other, 9, verdict=Verdict.BLOCKED))
        await clearance.poison(hidden, b"{")
        await clearance.publish(status(hidden, 1))
        await clearance.poison(gone, b"{")
        for who in (gone, back):
            await clearance.forget(who)
        await clearance.publish(status(back, 2))
        await clearance.poison(strange, b"\xff\x00\t")
        await clearance.poison("not a student", b"{")
        await clearance.poison(f"TS{secrets.token_hex(6).upper()}", b"[]")
        await clearance.publish_alive_mark("library", datetime.now(UTC))
        # A student who is on each of the topic's partitions.
        topic = clearance.topics.status("library")
        for part in range(await clearance.publisher.partitions(topic)):
            record = clearance.record(status(moved, 20 + part))
            await clearance.publisher.send([OutboundRecord(topic, record.key, record.value, record.headers, part)])
        # As another encoder would write it, with what COPY and arrays have to escape.
        wide = json.dumps(json.loads(written(status(spaced, 30))), indent="\t").replace(
            "book-returned", "book\\u002dreturned"
        )
        await clearance.poison(spaced, wide.encode())

        await all_applied(clearance)
    projected = await clearance.pool.fetch(ROWS)
    assert await clearance.version(spaced) == 30
    for most_in_memory in (1, 3, 1000):
        compared = await folded(clearance, most_in_memory=most_in_memory)
        assert compared.equal
        assert compared.switched
        assert await clearance.pool.fetch(ROWS) == projected


async def test_the_new_table_has_the_names_and_times_of_the_one_before(clearance: ClearanceFixture) -> None:
    people = await filled(clearance)
    await clearance.pool.execute("UPDATE status SET open_since = '2026-05-01Z', open_codes = 'loans:books'")
    named = "SELECT indexdef FROM pg_indexes WHERE tablename = 'status' ORDER BY indexname"
    kept = "SELECT student_id, department, heard_at FROM status WHERE version > 0 ORDER BY 1, 2"
    before, heard = await clearance.pool.fetch(named), await clearance.pool.fetch(kept)
    assert (await folded(clearance)).switched
    assert await clearance.pool.fetch(named) == before
    assert await clearance.pool.fetch(kept) == heard
    # Nobody of these is open by what the department says.
    assert await clearance.pool.fetchval("SELECT open_since FROM status WHERE student_id = $1", people[1]) is None


async def test_what_came_while_it_was_made_ready_keeps_when_it_was_received(
    clearance: ClearanceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, prepare = await filled(clearance), RebuiltTable.prepare
    kept = "SELECT student_id, department, heard_at FROM status WHERE version > 0 ORDER BY 1, 2"
    heard: list[Any] = []

    async def and_meanwhile(table: RebuiltTable) -> None:
        await prepare(table)
        await clearance.publish(*[status(who, 4) for who in people])
        await project(clearance)
        heard.extend(await clearance.pool.fetch(kept))

    monkeypatch.setattr(RebuiltTable, "prepare", and_meanwhile)
    compared = await folded(clearance)
    assert (compared.switched, compared.differing) == (True, 0)
    assert heard
    assert await clearance.pool.fetch(kept) == heard


async def test_an_interrupted_rebuild_leaves_nothing(clearance: ClearanceFixture) -> None:
    await filled(clearance)
    for switch in (False, True):
        reached = asyncio.Event()
        running = asyncio.create_task(
            folded(clearance, switch=switch, most_in_memory=1, progress=lambda done, of, reached=reached: reached.set())
        )
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await clearance.pool.fetchval("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'status\\_%'") == 0
    # One that is killed while it makes a lasting table leaves it to the next.
    await clearance.pool.execute("CREATE TABLE status_rebuilt (left_over int)")
    assert (await folded(clearance, switch=False)).equal
    assert await clearance.pool.fetchval("SELECT to_regclass('status_rebuilt')") is None


async def test_a_topic_shorter_than_the_view_stops_the_rebuild(clearance: ClearanceFixture) -> None:
    await filled(clearance)
    await clearance.pool.execute("UPDATE consumer_offset SET next_offset = next_offset + 1000")
    with pytest.raises(RebuildFailed, match="created anew"):
        await folded(clearance)
    assert await clearance.pool.fetchval("SELECT count(*) FROM status") == 80


async def test_the_command_line_says_what_it_compared(
    clearance: ClearanceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(clearance)
    clearance.configure(monkeypatch)
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["rebuild", "--check"])
    assert result.exit_code == 0, result.output
    assert "80 live, 80 rebuilt, 0 differing" in result.output
    assert "not switched" in result.output
