"""The clearance and every department over real databases, anew for each file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.servers import DatabaseMaker
from tests.support.submission.harness import Parts, parts_in


@pytest.fixture(scope="module")
async def parts(make_database: DatabaseMaker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Parts]:
    async with parts_in(make_database, Path(tmp_path_factory.mktemp("keys"))) as made:
        yield made
