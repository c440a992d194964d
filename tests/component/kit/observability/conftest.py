"""Telemetry, a traced database and the log."""

import io
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor

from services.kit.postgres.pool import open_pool
from tests.component.kit.observability.rig import Rig
from tests.support.observability.log_lines import captured_lines


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.telemetry.stop()


@pytest.fixture
async def traced(rig: Rig, database: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """A pool whose statements are traced to `rig`."""
    instrumentor = AsyncPGInstrumentor(capture_parameters=False)  # type: ignore[no-untyped-call]
    instrumentor.instrument(tracer_provider=rig.telemetry.tracer_provider)
    try:
        async with await open_pool(database, name="library") as pool:
            yield pool
    finally:
        instrumentor.uninstrument()


@pytest.fixture(autouse=True)
def lines() -> Iterator[io.StringIO]:
    with captured_lines("info") as stream:
        yield stream
