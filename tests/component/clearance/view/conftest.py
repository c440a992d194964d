"""A database of the clearance for each file."""

import pytest

from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture(scope="module")
async def dsn(make_database: DatabaseMaker) -> str:
    made = await make_database("clearance")
    await migrate(made, CLEARANCE_FOLDERS)
    return made
