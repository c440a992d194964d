"""An HTTP client that keeps no cookies between tests, and a count of what is executed."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local.http_clients import local_client


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with local_client() as client:
        yield client


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
