"""The relying party's HTTP client."""

from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.local.authorities import known_authorities


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    # A client that would follow redirects and wait for long: the limits must be the relying party's own.
    async with httpx.AsyncClient(follow_redirects=True, timeout=60, verify=known_authorities()) as client:
        yield client
