"""A session plans each of its statements once, which may be while the tables are empty: what it does then must hold."""

from typing import Final

from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.migration_folders import GATEWAY_FOLDERS
from services.gateway.read_model.student_statements import STUDENTS, STUDENTS_WITHOUT_MORE
from services.gateway.tables.visits import VISITS
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from tests.support.servers.fixtures import DatabaseMaker

STUDENT_IDS: Final = "'{TS1, TS2}'"
SESSIONS: Final = r"'{\\x00, \\x01}', now(), now()"


async def plan(dsn: str, statement: str, types: str, values: str) -> str:
    """By the gateway's own settings."""
    async with await open_pool(dsn, name="gateway", by_key=True) as pool, pool.acquire() as one:
        await one.execute(f"PREPARE planned ({types}) AS {statement}")
        return "\n".join(line for (line,) in await one.fetch(f"EXPLAIN EXECUTE planned ({values})"))


async def test_statuses_are_found_by_their_key_and_grouped_once(make_database: DatabaseMaker) -> None:
    dsn = await make_database("clearance")
    await migrate(dsn, CLEARANCE_FOLDERS)
    found = await plan(dsn, STUDENTS_WITHOUT_MORE, "text[]", STUDENT_IDS)
    assert "CTE Scan on reported" in found
    for statement in (STUDENTS, STUDENTS_WITHOUT_MORE):
        found = await plan(dsn, statement, "text[]", STUDENT_IDS)
        assert "status_pkey" in found
        assert "Seq Scan" not in found


async def test_sessions_are_found_by_their_key_alone(make_database: DatabaseMaker) -> None:
    dsn = await make_database("gateway")
    await migrate(dsn, GATEWAY_FOLDERS)
    found = await plan(dsn, VISITS, "bytea[], timestamptz, timestamptz", SESSIONS)
    assert "session_pkey" in found
    assert "session_expires_at" not in found
    assert "Seq Scan" not in found
