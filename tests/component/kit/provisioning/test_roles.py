"""What a stolen address of a service's database gives: its rows, not its tables, its triggers or the audit's past."""

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.servers.server import Running
from schemas.flows import SHARED
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.audit.log import append_entry
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.messaging.outbox import append_tombstone
from services.kit.postgres.migrations import MigrationError, migrate
from services.kit.postgres.pool import open_pool, owns_tables
from services.kit.provisioning.databases import DATABASE_VARIABLE, OWNER_VARIABLE, create_databases, scram_verifier
from services.kit.retention.erasing import erasing

SERVICES = ("library", *SHARED)
ATTEMPT = "00000000-0000-4000-8000-000000000001"


class Installation:
    """With the databases of the library and the clearance, provisioned as often as wanted."""

    def __init__(self, server: str, namespace: str, folder: Path) -> None:
        self.server, self.namespace, self._secrets = server, namespace, folder / "secrets.json"
        self.variables: dict[str, dict[str, str]] = {}

    async def provision(self) -> None:
        made = await create_databases(self.server, ["library"], self._secrets, namespace=self.namespace)
        self.variables = made.secrets

    def remember(self, service: str, dsn: str) -> None:
        """As the file of secrets of an earlier provisioning does."""
        self._secrets.write_text(json.dumps({service: {DATABASE_VARIABLE: dsn}}))

    async def migrate(self) -> None:
        for name, folders in (("library", DEPARTMENT_FOLDERS), ("clearance", CLEARANCE_FOLDERS)):
            await migrate(self.variables[name][OWNER_VARIABLE], folders)

    async def service(self, name: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self.variables[name][DATABASE_VARIABLE])

    async def owner(self, name: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self.variables[name][OWNER_VARIABLE])

    async def drop(self) -> None:
        connection = await asyncpg.connect(self.server)
        for name in (f"{self.namespace}_{each}" for each in SERVICES):
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await connection.execute(f'DROP ROLE IF EXISTS "{name}", "{name}_owner"')
        await connection.close()


@pytest.fixture
async def bare(postgres: Running, tmp_path: Path) -> AsyncIterator[Installation]:
    """Nothing of it is there yet."""
    made = Installation(postgres.address, f"t{secrets.token_hex(4)}", tmp_path)
    yield made
    await made.drop()


@pytest.fixture
async def installation(bare: Installation) -> Installation:
    await bare.provision()
    await bare.migrate()
    return bare


REFUSED = (
    "ALTER TABLE submission DISABLE TRIGGER never_changed",
    "ALTER TABLE answer DISABLE TRIGGER ALL",
    "ALTER TABLE answer DROP COLUMN outcome",
    "DROP TRIGGER never_changed ON answer",
    "DROP TABLE answer CASCADE",
    "TRUNCATE answer",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE TEMP TABLE mine (id int)",
    "CREATE RULE mine AS ON UPDATE TO answer DO INSTEAD NOTHING",
    "CREATE TRIGGER mine BEFORE INSERT ON answer FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "SET session_replication_role = replica",
    "DELETE FROM migration",
    "UPDATE migration SET sha256 = ''",
    "INSERT INTO migration (name, sha256) VALUES ('clearance/9999_later.sql', '')",
    "INSERT INTO audit.entry (at, actor, act, outcome, details) VALUES (now() - interval '1 year', '', '', '', '{}')",
    "INSERT INTO audit.entry (entry_id, actor, act, outcome, details)"
    " OVERRIDING SYSTEM VALUE VALUES (0, '', '', '', '{}')",
    "INSERT INTO audit.seal (seq, entry_id, hash, sealed_at) VALUES (1, 1, decode(repeat('00', 32), 'hex'), now())",
    "UPDATE audit.entry SET actor = 'x'",
    "DELETE FROM audit.entry",
    "DELETE FROM audit.seal",
    "ALTER TABLE audit.entry DISABLE TRIGGER ALL",
)


async def test_a_service_can_neither_change_its_tables_nor_put_its_triggers_out_of_the_way(
    installation: Installation,
) -> None:
    service = await installation.service("clearance")
    for statement in REFUSED:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
    for role in ("lixiao_audit", f"{installation.namespace}_clearance_owner"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(f'SET ROLE "{role}"')
    await service.close()


async def test_an_answer_is_not_edited_and_goes_only_with_an_entry_in_the_audit(installation: Installation) -> None:
    service = await installation.service("clearance")
    await service.execute(
        "INSERT INTO attempt (attempt_id, student_id, state, opened_at, expires_at, required)"
        f" VALUES ('{ATTEMPT}', 'TS20260001', 'open', now(), now() + interval '1 h', '{{library}}');"
        "INSERT INTO answer (attempt_id, department, outcome, said)"
        f" VALUES ('{ATTEMPT}', 'library', 'objected', '{{}}')"
    )
    for statement in ("UPDATE answer SET outcome = 'clear'", "DELETE FROM answer"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="is never changed"):
            await service.execute(statement)
    async with service.transaction():
        await erasing(service)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="is never changed"):
            async with service.transaction():
                await service.execute("UPDATE answer SET outcome = 'clear'")
        await service.execute("DELETE FROM answer")
    (entry,) = await service.fetch("SELECT actor, details FROM audit.entry WHERE act = 'row.erase'")
    assert entry["actor"] == f"database role {installation.namespace}_clearance"
    assert entry["details"] == '{"rows":1,"table":"answer"}'
    await service.close()


async def test_the_time_and_the_number_of_an_entry_are_the_databases(installation: Installation) -> None:
    service = await installation.service("library")
    await service.execute("SET timezone = 'UTC'")
    before = await service.fetchval("SELECT clock_timestamp()")
    await append_entry(service, actor="a", act="b", outcome="c")
    entry = await service.fetchrow("SELECT entry_id, at FROM audit.entry")
    assert entry is not None
    assert entry["entry_id"] == 1
    assert before < entry["at"] < await service.fetchval("SELECT clock_timestamp()")
    await service.close()


async def test_a_table_made_later_needs_no_grant_of_its_own(installation: Installation) -> None:
    owner, service = await installation.owner("library"), await installation.service("library")
    await owner.execute("CREATE SCHEMA shelf; CREATE TABLE shelf.book (id serial, title text)")
    await service.execute("INSERT INTO shelf.book (title) VALUES ('a'); UPDATE shelf.book SET title = 'b'")
    assert await service.fetchval("SELECT title FROM shelf.book") == "b"
    await service.execute("DELETE FROM shelf.book")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("TRUNCATE shelf.book")
    await owner.close()
    await service.close()


async def test_a_service_does_not_start_on_tables_of_another_release_and_names_the_remedy(bare: Installation) -> None:
    await bare.provision()
    service = bare.variables["library"][DATABASE_VARIABLE]
    with pytest.raises(MigrationError, match=r"outbox/0001_outbox\.sql is not applied.*LIXIAO_MIGRATION_DATABASE"):
        await migrate(service, DEPARTMENT_FOLDERS)
    await bare.migrate()
    assert await migrate(service, DEPARTMENT_FOLDERS) == []


async def test_an_installation_of_one_role_works_with_a_warning_until_it_is_provisioned_again(
    bare: Installation,
) -> None:
    name = f"{bare.namespace}_library"
    server = await asyncpg.connect(bare.server)
    await server.execute(f"""CREATE ROLE "{name}" LOGIN PASSWORD '{scram_verifier("before")}'""")
    await server.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
    await server.close()
    host = bare.server.rpartition("@")[2].partition("/")[0]
    before = f"postgresql://{name}:before@{host}/{name}"
    bare.remember("library", before)
    await migrate(before, DEPARTMENT_FOLDERS)
    async with await open_pool(before, name="library") as pool, pool.acquire() as connection:
        await append_tombstone(connection, topic="t", key="TS20260001")
        assert "run the provisioning" in (await owns_tables(pool) or "")
        await bare.provision()
        # Without a restart, under the same password.
        assert bare.variables["library"][DATABASE_VARIABLE].partition("?")[0] == before
        assert await connection.fetchval("DELETE FROM outbox RETURNING key") == b"TS20260001"
        assert await owns_tables(pool) is None
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("ALTER TABLE record DISABLE TRIGGER ALL")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DROP TABLE audit.entry")
    await bare.migrate()
    await bare.provision()
