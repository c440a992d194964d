"""The view folded anew beside the live one: compared at one frontier, switched only when equal."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.local.servers.kafka import RunningKafka
from services.clearance.__main__ import cli
from services.clearance.view.rebuild import Comparison, rebuild
from services.clearance.view.refold import RebuildFailed
from services.clearance.view.view_store import view_hash
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture, status
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
    task = asyncio.create_task(clearance.projector().run())
    for version in range(1, versions + 1):
        await clearance.publish(
            *[status(who, version, department=name) for who in people for name in ("library", "dorm")]
        )
    await clearance.poison(people[0], b"{")

    async def applied() -> bool:
        done = await clearance.pool.fetchval("SELECT coalesce(sum(next_offset), 0) FROM consumer_offset")
        return bool(done == await clearance.end_offset())

    await eventually(applied, what="everything applied")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return people


async def test_a_rebuilt_view_has_nobody_whom_a_tombstone_forgot(clearance: ClearanceFixture) -> None:
    people = await filled(clearance)
    task = asyncio.create_task(clearance.projector().run())
    for name in ("library", "dorm"):
        for who in people[:2]:
            await clearance.forget(who, department=name)
    await clearance.publish(status(people[1], 1))

    async def applied() -> bool:
        return await clearance.version(people[0]) is None and await clearance.version(people[1]) == 1

    await eventually(applied, what="the tombstones")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
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
    task = asyncio.create_task(clearance.projector().run())
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
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
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
    projector = asyncio.create_task(clearance.projector().run())
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
    projector.cancel()
    await asyncio.gather(projector, return_exceptions=True)
    assert (await folded(clearance, switch=False)).equal


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
