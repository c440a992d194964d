"""The clearance and every department over real databases, anew for each file."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.in_process.submission_harness import Harness, submission_harness
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture(scope="module")
async def harness(make_database: DatabaseMaker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    async with submission_harness(make_database, Path(tmp_path_factory.mktemp("keys"))) as made:
        yield made


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each was executed since it was last cleared."""
    counted: Counter[str] = Counter()
    execute = asyncpg.Connection._execute  # type: ignore[attr-defined]

    async def counting(self: Any, query: str, *arguments: Any, **options: Any) -> Any:
        counted[query] += 1
        return await execute(self, query, *arguments, **options)

    monkeypatch.setattr(asyncpg.Connection, "_execute", counting)
    return counted
