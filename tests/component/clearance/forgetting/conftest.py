"""Every service over real databases, the gateway too, anew for each file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.in_process.submission_harness import Harness
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture(scope="module")
async def harness(make_database: DatabaseMaker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    made = Harness(Path(tmp_path_factory.mktemp("keys")))
    await made.create_databases(make_database, gateway=True)
    await made.wire()
    yield made
    await made.close()
