"""The migrations on disk are the services': all of them apply to an empty database, and a second run applies none."""

from pathlib import Path

import asyncpg
import pytest

from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.migration_folders import GATEWAY_FOLDERS
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.manifests import SERVICES
from services.kit.postgres.migrations import migrate
from services.notices.migration_folders import NOTICE_FOLDERS

FOLDERS: dict[str, tuple[Path, ...]] = {
    "department": DEPARTMENT_FOLDERS,
    "clearance": CLEARANCE_FOLDERS,
    "gateway": GATEWAY_FOLDERS,
    "notices": NOTICE_FOLDERS,
}


@pytest.mark.parametrize("service", FOLDERS)
async def test_all_migrations_of_a_service_apply_to_an_empty_database_once(database: str, service: str) -> None:
    files = [path for folder in FOLDERS[service] for path in folder.glob("*.sql")]
    assert len(await migrate(database, FOLDERS[service])) == len(files)
    before = await schema_of(database)
    assert await migrate(database, FOLDERS[service]) == []
    assert await schema_of(database) == before


def test_every_migration_on_disk_is_some_services() -> None:
    on_disk = {path.parent for path in SERVICES.rglob("migrations/**/*.sql")}
    assert on_disk == {folder for folders in FOLDERS.values() for folder in folders}


async def schema_of(database: str) -> list[tuple[str, ...]]:
    """Every column of every table and view, with its type."""
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "SELECT table_schema, table_name, column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, ordinal_position"
        )
    finally:
        await connection.close()
    return [tuple(row) for row in rows]
