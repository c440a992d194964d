"""The view's statements against a real PostgreSQL: they do what the pure `merge` does, and no more."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import reduce

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.clearance.view.fold import AliveMark
from services.clearance.view.records import Forgotten
from services.clearance.view.rows import NEVER, Row, merge
from services.clearance.view.source_store import apply_alive
from services.clearance.view.view_store import VIEW, apply_rows, forget, view_hash

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    opened = await asyncpg.connect(dsn)
    await opened.execute("TRUNCATE status, source")
    yield opened
    await opened.close()


def row(version: int, offset: int, content: str = "a", student_id: str = "TS-1", department: str = "library") -> Row:
    occurred_at = (NOW + timedelta(hours=version)).isoformat()
    return Row(student_id, department, 0, version, offset, occurred_at, f'{{"is":"{content}"}}'.encode())


def unreadable(offset: int, student_id: str = "TS-1") -> Row:
    return Row(student_id, "library", 0, unreadable_offset=offset)


async def stored(connection: "asyncpg.Connection[asyncpg.Record]", table: str = VIEW) -> list[Row]:
    found = await connection.fetch(f"SELECT * FROM {table} ORDER BY student_id, department")
    return [_row(each) for each in found]


def _row(each: asyncpg.Record) -> Row:
    unreadable_offset = -1 if each["unreadable_offset"] is None else each["unreadable_offset"]
    return Row(
        each["student_id"],
        each["department"],
        each["source_partition"],
        each["version"],
        each["source_offset"],
        each["occurred_at"].isoformat() if each["occurred_at"] else NEVER,
        each["status"].encode() if each["status"] is not None else None,
        each["disputed"],
        unreadable_offset,
        -1 if each["older_offset"] is None else each["older_offset"],
        first_offset=-1 if each["first_offset"] is None else each["first_offset"],
    )


async def test_a_stale_status_changes_nothing(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    assert (await apply_rows(connection, [row(2, 5)], now=NOW)).changed == 1
    assert (await apply_rows(connection, [row(1, 4)], now=LATER)).changed == 0
    assert (await apply_rows(connection, [row(2, 5)], now=LATER)).changed == 0
    assert await stored(connection) == [row(2, 5)]


async def test_hearing_a_version_again_does_not_make_it_younger(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await apply_rows(connection, [row(2, 5)], now=NOW)
    await apply_rows(connection, [row(2, 9)], now=LATER)
    assert await connection.fetchval("SELECT heard_at FROM status") == NOW


async def test_a_reused_version_is_reported_with_its_student_and_department(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await apply_rows(connection, [row(2, 5), row(2, 5, student_id="TS-2")], now=NOW)
    applied = await apply_rows(connection, [row(2, 6, "other")], now=LATER)
    assert applied.disputed == (("TS-1", "library"),)
    assert not await connection.fetchval("SELECT readable FROM published.status_v1 WHERE student_id = 'TS-1'")
    assert (await apply_rows(connection, [row(3, 7)], now=LATER)).disputed == ()
    assert await connection.fetchval("SELECT readable FROM published.status_v1 WHERE student_id = 'TS-1'")


async def test_an_older_version_behind_the_newest_hides_the_line_until_a_newer_one_comes(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    readable = "SELECT readable FROM published.status_v1"
    await apply_rows(connection, [row(4, 5)], now=NOW)
    assert (await apply_rows(connection, [row(3, 6)], now=LATER)).changed == 1
    assert not await connection.fetchval(readable)
    assert await connection.fetchval("SELECT older_since FROM status") == LATER
    assert (await stored(connection))[0].version == 4
    assert (await apply_rows(connection, [row(2, 6)], now=LATER)).changed == 0
    await apply_rows(connection, [row(5, 7)], now=LATER)
    assert await connection.fetchval(readable)
    assert await connection.fetchval("SELECT older_since FROM status") is None


async def test_a_disputed_line_is_not_reported_again_for_an_older_version_behind_it(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await apply_rows(connection, [row(3, 5)], now=NOW)
    assert (await apply_rows(connection, [row(3, 6, "b")], now=NOW)).disputed
    assert (await apply_rows(connection, [row(2, 7)], now=NOW)).disputed == ()


async def test_a_version_repeated_behind_an_unreadable_record_hides_the_line_until_a_newer_one_comes(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    readable = "SELECT readable FROM published.status_v1"
    for said in (row(2, 5), unreadable(6), row(2, 7)):
        await apply_rows(connection, [said], now=NOW)
    assert not await connection.fetchval(readable)
    await apply_rows(connection, [row(3, 8)], now=LATER)
    assert await connection.fetchval(readable)
    await apply_rows(connection, [row(3, 9)], now=LATER)
    assert await connection.fetchval(readable)


SAYINGS = [row(1, 0), row(2, 1), unreadable(2), row(3, 3), row(2, 4), row(3, 5), unreadable(6)]
SAYINGS += [row(4, 7), row(4, 8, "b"), row(4, 9), row(5, 10), unreadable(11)]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Row], list[list[Row]]]:
    chosen = draw(st.lists(st.sampled_from(SAYINGS), min_size=1, max_size=len(SAYINGS), unique=True))
    order = draw(st.permutations(chosen + draw(st.lists(st.sampled_from(chosen), max_size=6))))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    return chosen, [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
async def test_batches_in_any_order_and_repetition_store_what_merge_says(
    history: tuple[list[Row], list[list[Row]]], connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    chosen, batches = history
    await connection.execute("TRUNCATE status")
    for batch in batches:
        if batch:
            await apply_rows(connection, [reduce(merge, batch)], now=NOW)
    assert await stored(connection) == [reduce(merge, chosen)]


async def test_equal_views_have_equal_hashes_whenever_and_wherever_they_were_heard(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await connection.execute("CREATE TEMP TABLE other (LIKE status INCLUDING ALL)")
    await apply_rows(connection, [row(1, 1), row(1, 2, student_id="TS-2")], now=NOW)
    await apply_rows(connection, [row(1, 1, student_id="TS-2"), row(1, 3)][::-1], now=LATER, table="other")
    assert await view_hash(connection) == await view_hash(connection, "other")
    await apply_rows(connection, [unreadable(9)], now=LATER, table="other")
    assert await view_hash(connection) != await view_hash(connection, "other")


async def test_an_alive_mark_never_goes_back_and_one_from_the_future_counts_as_of_its_hearing(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    assert await apply_alive(connection, [AliveMark("library", 0, NOW)], now=NOW) == 1
    assert await apply_alive(connection, [AliveMark("library", 0, NOW - timedelta(hours=1))], now=LATER) == 0
    assert await apply_alive(connection, [AliveMark("library", 0, NOW + timedelta(days=3650))], now=LATER) == 1
    assert await connection.fetchval("SELECT alive_as_of FROM published.source_v1") == LATER


async def test_two_writers_of_the_same_rows_do_not_deadlock(dsn: str) -> None:
    async def write(offset: int) -> None:
        connection = await asyncpg.connect(dsn)
        try:
            for version in range(1, 15):
                said = [row(version, offset + version, student_id=f"TS-{number:04}") for number in range(300)]
                await apply_rows(connection, said, now=NOW)
        finally:
            await connection.close()

    await asyncio.gather(write(0), write(1000))
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM status WHERE version = 14 AND NOT disputed") == 300
    await connection.close()


async def test_a_reader_sees_the_published_views_and_nothing_else(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await apply_rows(connection, [row(1, 1), unreadable(4, "TS-3")], now=NOW)
    await apply_alive(connection, [AliveMark("library", 0, NOW)], now=NOW)
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE lixiao_reader")
        seen = await connection.fetch("SELECT * FROM published.status_v1 ORDER BY student_id")
        await connection.fetch("SELECT * FROM published.case_v1")
    assert [(each["version"], each["readable"], each["status"]) for each in seen] == [
        (1, True, '{"is":"a"}'),
        (0, False, None),
    ]
    assert {each["alive_as_of"] for each in seen} == {NOW}
    for denied in ("SELECT * FROM status", "SELECT * FROM student_case", "SELECT * FROM dead_letter"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute("SET LOCAL ROLE lixiao_reader")
                await connection.execute(denied)


async def test_no_index_is_on_a_column_that_a_newer_status_changes(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    # Else no update is heap-only, and the write rate falls by a quarter.
    rows = await connection.fetch(
        """
        SELECT DISTINCT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
        WHERE indrelid = 'status'::regclass
        """
    )
    changing = {"version", "occurred_at", "heard_at", "source_offset", "status", "unreadable_offset"}
    assert {row["attname"] for row in rows} & changing == set()


def open_row(version: int, codes: str | None) -> Row:
    return msgspec.structs.replace(row(version, version), open_codes=codes)


async def test_a_department_is_open_since_its_first_reason_and_not_since_the_newest(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    async def opened() -> tuple[str | None, datetime | None]:
        found = await connection.fetchrow("SELECT open_codes, open_since FROM status")
        assert found is not None
        return found["open_codes"], found["open_since"]

    await apply_rows(connection, [open_row(1, "loans:books")], now=NOW)
    assert await opened() == ("loans:books", NOW + timedelta(hours=1))
    await apply_rows(connection, [open_row(2, "loans:books loans:debt")], now=NOW)
    assert await opened() == ("loans:books loans:debt", NOW + timedelta(hours=1))
    await apply_rows(connection, [open_row(1, "loans:books")], now=NOW)
    assert await opened() == ("loans:books loans:debt", NOW + timedelta(hours=1))
    await apply_rows(connection, [open_row(3, None)], now=NOW)
    assert await opened() == (None, None)
    await apply_rows(connection, [open_row(4, "loans:debt")], now=NOW)
    assert await opened() == ("loans:debt", NOW + timedelta(hours=4))


async def differing_lists(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Rows that the work lists have and the view has not, or the other way about, or that differ."""
    count: int = await connection.fetchval(
        """
        SELECT count(*) FROM (SELECT student_id, department, open_since, open_codes FROM open_status) AS a
        FULL JOIN (SELECT student_id, department, open_since, open_codes FROM status WHERE open_since IS NOT NULL) AS b
            ON a = b
        WHERE a IS NULL OR b IS NULL
        """
    )
    return count


_CODES = st.sampled_from([None, "loans:books", "loans:debt", "loans:books loans:debt"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.dictionaries(st.integers(0, 5), st.tuples(st.integers(1, 6), _CODES), min_size=1), min_size=1, max_size=8
    ),
    gone=st.integers(0, 5),
)
async def test_the_work_lists_have_whom_the_view_shows_open_after_each_batch_and_each_removal(
    batches: list[dict[int, tuple[int, str | None]]], gone: int, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await connection.execute("TRUNCATE status")
    assert await connection.fetchval("SELECT count(*) FROM open_status") == 0
    for batch in batches:
        rows = [
            msgspec.structs.replace(row(version, version, student_id=f"TS-{number}"), open_codes=codes)
            for number, (version, codes) in sorted(batch.items())
        ]
        await apply_rows(connection, rows, now=NOW)
        assert await differing_lists(connection) == 0
    await forget(connection, [Forgotten(f"TS-{gone}", "library", "t", 0, 99)])
    assert await differing_lists(connection) == 0
    await connection.execute(
        "UPDATE status SET open_since = NULL, open_codes = NULL WHERE student_id > $1", f"TS-{gone}"
    )
    assert await differing_lists(connection) == 0
    await connection.execute("DELETE FROM status WHERE open_since IS NOT NULL")
    assert await connection.fetchval("SELECT count(*) FROM open_status") == 0


async def test_rows_from_before_the_work_list_are_filled_with_what_the_fold_would_write(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    checks = [
        {"check": "loans", "verdict": "blocked", "reasons": [{"code": "books"}, {"code": "debt"}]},
        {"check": "thesis", "verdict": "blocked", "reasons": []},
        {"check": "card", "verdict": "clear", "reasons": []},
    ]
    document = {"checks": checks}
    written = msgspec.structs.replace(row(1, 1), status=json.dumps(document).encode())
    clear = msgspec.structs.replace(row(1, 1, student_id="TS-2"), status=json.dumps({"checks": checks[2:]}).encode())
    await apply_rows(connection, [written, clear], now=NOW)
    migration = (
        next(folder for folder in CLEARANCE_FOLDERS if folder.parent.name == "clearance") / "0030_open_lists.sql"
    )
    text = migration.read_text("utf-8")
    await connection.execute(text[text.index("UPDATE status") : text.index(";", text.index("UPDATE status"))])
    found = await connection.fetch("SELECT open_codes, open_since FROM status ORDER BY student_id")
    assert [tuple(each) for each in found] == [
        ("loans:books loans:debt thesis:", datetime.fromisoformat(written.occurred_at)),
        (None, None),
    ]
