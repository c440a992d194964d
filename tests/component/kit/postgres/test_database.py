"""Pools, migrations and the kinds of errors, on a real PostgreSQL."""

import asyncio
import secrets
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from services.kit.postgres.leadership import leading
from services.kit.postgres.migrations import MigrationError, migrate
from services.kit.postgres.pool import DATABASE_ERRORS, database_probe, open_pool, transient
from tests.support.waiting import eventually

ONE = "create table book (id bigint primary key);"
TWO = "alter table book add column title text;\ninsert into book values (1, 'x');"


def folder(place: Path, **files: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for name, sql in files.items():
        (place / f"{name}.sql").write_text(sql)
    return place


async def query(dsn: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def error_of(dsn: str, sql: str) -> BaseException:
    connection = await asyncpg.connect(dsn)
    try:
        with pytest.raises(asyncpg.PostgresError) as raised:
            await connection.execute(sql)
        return raised.value
    finally:
        await connection.close()


async def test_a_pool_lives_in_utc_and_bounds_every_wait(database: str) -> None:
    pool = await open_pool(database, name="library")
    async with pool:
        for setting, value in {
            "application_name": "library",
            "statement_timeout": "30s",
            "lock_timeout": "10s",
            "idle_in_transaction_session_timeout": "30s",
            "TimeZone": "UTC",
        }.items():
            assert await pool.fetchval("select current_setting($1)", setting) == value


async def test_the_probe_of_a_pool_is_well_while_the_database_answers(database: str) -> None:
    async with await open_pool(database, name="library") as pool:
        assert await database_probe(pool)() is None


async def test_migrations_are_applied_once_and_in_order(database: str, tmp_path: Path) -> None:
    kit = folder(tmp_path / "kit" / "outbox", **{"0001_outbox": "create table outbox (id bigint);"})
    own = folder(tmp_path / "library" / "migrations", **{"0002_title": TWO, "0001_book": ONE})
    names = ["outbox/0001_outbox.sql", "library/0001_book.sql", "library/0002_title.sql"]
    assert await migrate(database, [kit, own]) == names
    assert await migrate(database, [kit, own]) == []
    assert [row["name"] for row in await query(database, "select name from migration order by applied_at")] == names


async def test_a_migration_that_fails_leaves_nothing_of_itself_and_keeps_those_before_it(
    database: str, tmp_path: Path
) -> None:
    place = folder(tmp_path / "m", **{"0001_book": ONE, "0002_wrong": "create table shelf (id int); select 1/0;"})
    with pytest.raises(MigrationError, match=r"m/0002_wrong\.sql: division by zero"):
        await migrate(database, [place])
    assert [row["name"] for row in await query(database, "select name from migration")] == ["m/0001_book.sql"]
    assert await query(database, "select 1 from pg_tables where tablename = 'shelf'") == []
    (place / "0002_wrong.sql").write_text("create table shelf (id int);")
    assert await migrate(database, [place]) == ["m/0002_wrong.sql"]


async def test_an_applied_migration_that_was_changed_is_refused_by_name(database: str, tmp_path: Path) -> None:
    place = folder(tmp_path / "m", **{"0001_book": ONE})
    await migrate(database, [place])
    (place / "0001_book.sql").write_text(ONE + " -- better")
    with pytest.raises(MigrationError, match=r"m/0001_book\.sql was changed after it was applied"):
        await migrate(database, [place])


async def test_a_migration_that_waits_for_a_table_keeps_nobody_from_it_for_long(database: str, tmp_path: Path) -> None:
    own = folder(tmp_path / "library" / "migrations", **{"0001_book": ONE})
    await migrate(database, [own])
    folder(own, **{"0002_title": TWO})
    reader = await asyncpg.connect(database)
    try:
        reading = reader.transaction()
        await reading.start()
        await reader.fetch("select from book")
        migrating = asyncio.create_task(migrate(database, [own]))
        waits_s: list[float] = []
        while sum(waits_s) < 3:
            began_s = time.monotonic()
            await query(database, "select from book")
            waits_s.append(time.monotonic() - began_s + 0.1)
            await asyncio.sleep(0.1)
        assert not migrating.done(), "a transaction of another still reads"
        assert max(waits_s) < 4, f"others waited {max(waits_s):.1f} s behind the migration"
        assert max(waits_s) > 0.5, "nobody was behind it: the test shows nothing"
        await reading.rollback()
        assert await migrating == ["library/0002_title.sql"]
    finally:
        await reader.close()


async def test_processes_that_start_together_apply_each_migration_once(database: str, tmp_path: Path) -> None:
    place = folder(tmp_path / "m", **{"0001_book": "select pg_sleep(0.2);" + ONE, "0002_title": TWO})
    done = await asyncio.gather(*(migrate(database, [place]) for _ in range(4)))
    assert sorted(len(names) for names in done) == [0, 0, 0, 2]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"1_book": ONE}, "is named like"),
        ({"0001_book": ONE, "0001_other": ONE}, "taken twice"),
    ],
)
async def test_a_misnamed_migration_is_refused_before_anything_is_applied(
    database: str, tmp_path: Path, files: dict[str, str], said: str
) -> None:
    with pytest.raises(MigrationError, match=said):
        await migrate(database, [folder(tmp_path / "m", **files)])
    assert await query(database, "select 1 from pg_tables where tablename in ('book', 'migration')") == []


async def test_a_folder_that_is_not_there_is_an_error_and_not_an_empty_one(database: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="no folder of migrations"):
        await migrate(database, [tmp_path / "nowhere"])


async def test_what_a_statement_or_its_values_cause_is_not_transient(database: str) -> None:
    for sql in (
        "selec 1",
        "select 1/0",
        "select * from nowhere",
        "create table t (id int primary key); insert into t values (1), (1)",
        "select 'x'::int",
    ):
        assert not transient(await error_of(database, sql)), sql


async def test_time_limits_and_terminated_sessions_are_transient(database: str) -> None:
    assert transient(await error_of(database, "set statement_timeout = 20; select pg_sleep(5)"))
    assert transient(await error_of(database, "select pg_terminate_backend(pg_backend_pid())"))


async def test_a_deadlock_is_transient(database: str) -> None:
    await query(database, "create table t as select i from generate_series(1, 2) i")
    first, second = await asyncpg.connect(database), await asyncpg.connect(database)
    try:
        for connection, own in ((first, 1), (second, 2)):
            await connection.execute(f"begin; update t set i = i where i = {own}")
        crossed = await asyncio.gather(
            first.execute("update t set i = i where i = 2"),
            second.execute("update t set i = i where i = 1"),
            return_exceptions=True,
        )
        failed = [each for each in crossed if isinstance(each, BaseException)]
        assert len(failed) == 1
        assert transient(failed[0])
    finally:
        await asyncio.gather(first.close(), second.close())


async def test_a_closed_connection_and_a_closed_pool_are_transient(database: str) -> None:
    pool = await open_pool(database, name="library")
    connection = await pool.acquire()
    connection.terminate()
    with pytest.raises(asyncpg.InterfaceError) as closed:
        await connection.fetchval("select 1")
    assert transient(closed.value)
    pool.terminate()
    with pytest.raises(asyncpg.InterfaceError) as ended:
        await pool.fetchval("select 1")
    assert transient(ended.value)


async def test_whatever_the_user_of_a_connection_gets_whose_session_is_ended_is_transient(database: str) -> None:
    other = await asyncpg.connect(database)
    for turn in range(40):
        connection = await asyncpg.connect(database)
        await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        await asyncio.sleep(turn * 0.0001)
        with pytest.raises(DATABASE_ERRORS) as ended:
            while True:
                await connection.execute("SELECT 1")
        assert transient(ended.value), repr(ended.value)
    await other.close()


async def test_a_statement_outdated_by_a_migration_beside_it_is_transient(database: str) -> None:
    await query(database, "create table t as select 1 as i")
    async with await open_pool(database, name="library", max_size=1) as pool:
        await pool.fetch("select * from t")
        await query(database, "alter table t add column j int")
        with pytest.raises(asyncpg.PostgresError) as raised:
            async with pool.acquire() as connection, connection.transaction():
                await connection.fetch("select * from t")
        assert transient(raised.value)
        assert len(await pool.fetch("select * from t")) == 1


async def test_a_mistaken_call_is_not_transient(database: str) -> None:
    async with await open_pool(database, name="library") as pool:
        with pytest.raises(asyncpg.InterfaceError) as mistaken:
            await pool.fetchval("select $1::int")
        assert not transient(mistaken.value)


async def test_a_server_that_is_not_there_is_waited_for_and_then_raised_as_transient(
    database: str, unused_tcp_port: int
) -> None:
    parts = urlsplit(database)
    nobody = urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{unused_tcp_port}"))
    with pytest.raises(OSError) as raised:  # noqa: PT011 - which one depends on the system
        await open_pool(nobody, name="library", retry_for_s=0.3)
    assert transient(raised.value)


async def test_a_wrong_password_is_not_waited_for(database: str) -> None:
    parts = urlsplit(database)
    server = parts.netloc.rpartition("@")[2]
    stranger = urlunsplit(parts._replace(netloc=f"nobody-{secrets.token_hex(3)}:wrong@{server}"))
    with pytest.raises(asyncpg.PostgresError) as raised:
        await asyncio.wait_for(open_pool(stranger, name="library"), 5)
    assert not transient(raised.value)


async def test_a_session_is_given_back_as_it_is_and_without_an_open_transaction(database: str) -> None:
    async with await open_pool(database, name="library", max_size=1) as pool:
        async with pool.acquire() as connection:
            await connection.execute("SELECT set_config('lixiao.left', 'behind', false)")
            await connection.execute("BEGIN")
            await connection.execute("CREATE TABLE unfinished ()")
        assert await pool.fetchval("SELECT current_setting('lixiao.left')") == "behind"
        assert await pool.fetchval("SELECT to_regclass('unfinished')") is None


HELD: Final = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND granted"


async def test_a_session_that_led_is_given_back_without_the_lock(database: str) -> None:
    async with (
        await open_pool(database, name="library", max_size=1) as pool,
        await open_pool(database, name="other", max_size=1) as others,
    ):
        for fails in (False, True):
            with pytest.raises(asyncpg.DivisionByZeroError) if fails else nullcontext():
                async with pool.acquire() as connection, leading(connection, 4711) as leads:
                    assert leads
                    async with others.acquire() as other, leading(other, 4711) as leads_too:
                        assert not leads_too
                    if fails:
                        await connection.execute("SELECT 1 / 0")
            assert await pool.fetchval(HELD, 4711) == 0
            async with others.acquire() as other, leading(other, 4711) as leads_too:
                assert leads_too


async def test_a_session_that_cannot_give_up_the_lock_is_ended(database: str) -> None:
    async with await open_pool(database, name="library", max_size=2) as pool:
        async with pool.acquire() as connection:
            with pytest.raises(asyncpg.InFailedSQLTransactionError):
                async with leading(connection, 4711):
                    await connection.execute("BEGIN")
                    with pytest.raises(asyncpg.DivisionByZeroError):
                        await connection.execute("SELECT 1 / 0")
            with pytest.raises(asyncpg.InterfaceError, match="released"):
                connection.is_closed()

        async def given_up() -> bool:
            return bool(await pool.fetchval(HELD, 4711) == 0)

        await eventually(given_up, what="the lock of a session that was ended")
