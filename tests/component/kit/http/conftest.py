"""A client of that service, and what the service logs."""

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.component.kit.http.application import application, client_of
from tests.support.observability.log_lines import captured_lines


@pytest.fixture(autouse=True)
def lines() -> Iterator[io.StringIO]:
    with captured_lines("debug") as stream:
        yield stream


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(application(tmp_path)) as made:
        yield made
