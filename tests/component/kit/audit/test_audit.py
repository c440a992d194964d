"""The audit: told in the transaction of the act, only ever added to, and one changed byte is found."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import asyncpg
import pytest

from deploy.local.servers.server import Running
from services.kit.audit import log
from services.kit.audit.chain import ChainSealer, Head, verify
from services.kit.postgres.migrations import KIT_MIGRATIONS, migrate
from services.kit.postgres.pool import open_pool
from services.kit.provisioning.databases import create_databases
from tests.support.paths import ROOT

COLUMNS = {
    "at": "at + interval '1 microsecond'",
    "actor": "actor || 'x'",
    "act": "act || ' '",
    "outcome": "upper(outcome)",
    "student_id": "NULL",
    "details": "replace(details, '4', '5')",
}


@pytest.fixture
async def pool(database: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    await migrate(database, [KIT_MIGRATIONS / "audit"])
    opened = await open_pool(database, name="audit")
    yield opened
    await opened.close()


async def tell(pool: "asyncpg.Pool[Any]", number: int) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await log.append_entry(
            connection,
            actor="王老师",
            act="desk.pay",
            outcome="changed",
            student_id=f"TS-{number}",
            details={"version": 4},
        )


async def told(pool: "asyncpg.Pool[Any]", count: int) -> None:
    for number in range(count):
        await tell(pool, number)
    await ChainSealer(pool).seal()


async def found(pool: "asyncpg.Pool[Any]", *heads: Head) -> tuple[str, ...]:
    async with pool.acquire() as connection:
        return (await verify(connection, heads=heads)).problems


async def tamper(dsn: str, statement: str) -> None:
    """As somebody may who owns the tables: the triggers are put out of the way first."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("ALTER TABLE audit.entry DISABLE TRIGGER ALL; ALTER TABLE audit.seal DISABLE TRIGGER ALL")
    await connection.execute(statement)
    await connection.close()


async def test_an_untouched_chain_has_no_problem_and_goes_on(pool: "asyncpg.Pool[Any]") -> None:
    await told(pool, 3)
    await told(pool, 2)
    await tell(pool, 9)
    async with pool.acquire() as connection:
        report = await verify(connection)
    assert (report.sealed, report.unsealed, report.problems) == (5, 1, ())
    assert report.head.seq == 5


@pytest.mark.parametrize("column", COLUMNS)
async def test_one_changed_value_is_found(pool: "asyncpg.Pool[Any]", database: str, column: str) -> None:
    await told(pool, 5)
    await tamper(database, f"UPDATE audit.entry SET {column} = {COLUMNS[column]} WHERE entry_id = 3")
    assert await found(pool) == ("seal 3: entry 3 or the seal was changed",)


async def test_a_removed_entry_and_a_removed_seal_are_found(pool: "asyncpg.Pool[Any]", database: str) -> None:
    await told(pool, 5)
    await tamper(database, "DELETE FROM audit.entry WHERE entry_id = 2")
    assert await found(pool) == ("seal 2: its entry 2 was removed",)
    await tamper(database, "DELETE FROM audit.seal WHERE seq = 4")
    problems = await found(pool)
    assert "seal 4 is missing" in problems
    assert "entry 4: its seal was removed" in problems


async def test_the_newest_seal_removed_and_an_entry_removed_before_its_seal_are_found(
    pool: "asyncpg.Pool[Any]", database: str
) -> None:
    await told(pool, 3)
    await tamper(database, "DELETE FROM audit.seal WHERE seq = 3")
    assert await found(pool) == ("entry 3: its seal was removed",)
    await tell(pool, 4)
    await tamper(database, "DELETE FROM audit.entry WHERE entry_id = 4")
    assert "entry 4 was removed before it was sealed" in await found(pool)


async def test_a_removed_end_of_the_chain_is_found_against_a_head_kept_elsewhere(
    pool: "asyncpg.Pool[Any]", database: str
) -> None:
    await told(pool, 4)
    async with pool.acquire() as connection:
        head = (await verify(connection)).head
    await tamper(database, "DELETE FROM audit.seal WHERE seq > 2; DELETE FROM audit.entry WHERE entry_id > 2")
    assert await found(pool) == ()
    assert await found(pool, head) == ("the chain ends at 2, before the head 4 kept elsewhere",)


async def test_a_chain_made_anew_is_found_against_a_head_kept_elsewhere(
    pool: "asyncpg.Pool[Any]", database: str
) -> None:
    await told(pool, 2)
    async with pool.acquire() as connection:
        head = (await verify(connection)).head
    await tamper(
        database,
        "UPDATE audit.entry SET actor = 'nobody'; DELETE FROM audit.seal; INSERT INTO audit.unsealed VALUES (1), (2)",
    )
    await ChainSealer(pool).seal()
    assert await found(pool) == ()
    assert await found(pool, head) == ("seal 2 is not the one of a head kept elsewhere",)


@pytest.mark.parametrize("table", ["entry", "seal"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET entry_id = entry_id", "DELETE FROM {}", "TRUNCATE {}"])
async def test_the_audit_is_only_ever_added_to(pool: "asyncpg.Pool[Any]", table: str, statement: str) -> None:
    await told(pool, 1)
    with pytest.raises(asyncpg.PostgresError) as refused:
        await pool.execute(statement.format(f"audit.{table}"))
    assert refused.value.sqlstate in ("42501", "428C9")


async def test_an_act_that_did_not_happen_is_not_told_of(pool: "asyncpg.Pool[Any]") -> None:
    async with pool.acquire() as connection:
        acting = connection.transaction()
        await acting.start()
        await log.append_entry(connection, actor="a", act="b", outcome="c")
        await acting.rollback()
    assert await pool.fetchval("SELECT count(*) FROM audit.entry") == 0
    assert await ChainSealer(pool).seal() == 0


async def test_many_writers_and_several_sealers_make_one_chain(pool: "asyncpg.Pool[Any]") -> None:
    sealers = [ChainSealer(pool) for _ in range(3)]

    async def write() -> None:
        for number in range(20):
            await tell(pool, number)
            await sealers[number % 3].seal()

    await asyncio.gather(*(write() for _ in range(4)))
    while await sealers[0].seal():
        pass
    async with pool.acquire() as connection:
        report = await verify(connection)
    assert (report.sealed, report.unsealed, report.problems) == (80, 0, ())


def command(dsn: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "services.library", "audit", "verify", "--without-kafka", *arguments],
        cwd=Path(ROOT),
        env={**os.environ, "LIXIAO_DATABASE": dsn, "LIXIAO_KAFKA": "127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command_ends_with_0_on_a_sound_chain_and_says_where_it_is_broken(
    pool: "asyncpg.Pool[Any]", database: str
) -> None:
    await told(pool, 3)
    sound = command(database)
    assert (sound.returncode, sound.stdout.splitlines()[0]) == (0, "3 sealed, 0 not yet sealed, 0 problems")
    head = sound.stdout.splitlines()[-1].removeprefix("head ")
    assert command(database, "--head", head).returncode == 0
    await tamper(database, "UPDATE audit.entry SET outcome = 'changex' WHERE entry_id = 2")
    broken = command(database)
    assert (broken.returncode, broken.stderr) == (1, "seal 2: entry 2 or the seal was changed\n")
    assert command(database, "--head", "nonsense").returncode == 2


FORBIDDEN = (
    "UPDATE audit.entry SET actor = 'x'",
    "DELETE FROM audit.seal",
    "TRUNCATE audit.entry",
    "ALTER TABLE audit.entry DISABLE TRIGGER ALL",
    "DROP TRIGGER only_added_to ON audit.seal",
    "DROP TABLE audit.entry CASCADE",
    "DROP SCHEMA audit CASCADE",
    "CREATE OR REPLACE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "SET ROLE lixiao_audit",
)


async def test_where_provisioned_the_service_can_add_and_seal_and_nothing_else(
    postgres: Running, tmp_path: Path
) -> None:
    namespace = f"t{token_hex(4)}"
    made = await create_databases(postgres.address, ["library"], tmp_path / "secrets.json", namespace=namespace)
    dsn = made.secrets["library"]["LIXIAO_DATABASE"]
    try:
        await migrate(made.secrets["library"]["LIXIAO_MIGRATION_DATABASE"], [KIT_MIGRATIONS / "audit"])
        await create_databases(postgres.address, ["library"], tmp_path / "secrets.json", namespace=namespace)
        pool = await open_pool(dsn, name="audit")
        await told(pool, 2)
        for statement in FORBIDDEN:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(statement)
        assert await found(pool) == ()
        await pool.close()
    finally:
        connection = await asyncpg.connect(postgres.address)
        for service in ("library", "clearance", "gateway"):
            await connection.execute(f'DROP DATABASE IF EXISTS "{namespace}_{service}" WITH (FORCE)')
            await connection.execute(f'DROP ROLE IF EXISTS "{namespace}_{service}", "{namespace}_{service}_owner"')
        await connection.close()
