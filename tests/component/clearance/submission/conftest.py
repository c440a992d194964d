"""The clearance and every department over real databases, anew for each file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.in_process.submission_harness import Harness, submission_harness
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture(scope="module")
async def harness(make_database: DatabaseMaker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    async with submission_harness(make_database, Path(tmp_path_factory.mktemp("keys"))) as made:
        yield made
