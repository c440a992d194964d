"""The relying party's HTTP client."""

from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.local.http_clients import local_client


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    # A client that would follow redirects and wait for long: the limits must be the relying party's own.
    async with local_client(follow_redirects=True, timeout=60) as client:
        yield client
