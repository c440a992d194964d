"""The end of a session reaches its open pages, whatever is being read for them at that moment."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from services.gateway.case.live import Hub, StateUpdate, StreamEnded
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.students import ReadModel
from services.gateway.read_model.types import StudentSnapshot
from services.gateway.tables.sessions.session import Session
from services.kit.observability import metrics
from tests.support.samples import case_samples
from tests.support.waiting import eventually

SESSION = Session(b"hash", "TS23170042P31", "csrf", case_samples.NOW, case_samples.NOW + timedelta(hours=1))
TEXTS = catalogue("zh")
PROMPTLY_S = 5.0
"""Far below how often sessions are looked at in these tests."""


class Reads:
    """A read model whose answer waits until it is let go."""

    def __init__(self) -> None:
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()
        self.snapshot = case_samples.clear()

    async def many(self, students: Collection[str]) -> dict[str, StudentSnapshot]:
        self.asked.set()
        await self.let_go.wait()
        return dict.fromkeys(students, self.snapshot)


async def no_commands(_: Collection[str]) -> dict[str, Any]:
    return {}


@asynccontextmanager
async def hub_over(reads: Reads, *alive: bytes) -> AsyncIterator[Hub]:
    async def alive_ones(_: Collection[bytes]) -> frozenset[bytes]:
        return frozenset(alive)

    site = case_samples.site()
    hub = Hub(
        cast(ReadModel, reads), no_commands, no_commands, alive_ones, site=site, max_streams=10, session_check_s=3600
    )
    running = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_end_in_the_middle_of_a_reading_is_not_overtaken_by_what_was_read() -> None:
    reads = Reads()
    async with hub_over(reads, SESSION.id_hash) as hub, hub.connect(SESSION, TEXTS) as stream:
        await reads.asked.wait()
        hub.end(SESSION.id_hash)
        reads.let_go.set()
        for _ in range(10):
            await asyncio.sleep(0)
        assert isinstance(await asyncio.wait_for(stream.updates.get(), PROMPTLY_S), StreamEnded)


async def test_a_session_that_ended_while_its_stream_connected_is_told_at_once() -> None:
    reads = Reads()
    reads.let_go.set()
    async with hub_over(reads) as hub, hub.connect(SESSION, TEXTS) as stream:
        update = await asyncio.wait_for(stream.updates.get(), PROMPTLY_S)
        if isinstance(update, StateUpdate):
            update = await asyncio.wait_for(stream.updates.get(), PROMPTLY_S)
        assert isinstance(update, StreamEnded)


async def test_a_stopping_server_ends_open_and_arriving_streams_without_ending_their_session() -> None:
    reads = Reads()
    async with hub_over(reads, SESSION.id_hash) as hub, hub.connect(SESSION, TEXTS) as opened:
        await reads.asked.wait()
        hub.close()
        reads.let_go.set()
        async with hub.connect(SESSION, TEXTS) as arriving:
            for stream in (opened, arriving):
                assert await asyncio.wait_for(stream.updates.get(), PROMPTLY_S) == StreamEnded(reconnect=True)


async def test_the_way_from_a_commit_to_an_open_page_is_measured_once_for_each_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[float] = []
    monkeypatch.setattr(metrics.COMMIT_TO_PAGE, "record", measured.append)
    reads = Reads()
    reads.let_go.set()
    async with hub_over(reads, SESSION.id_hash) as hub, hub.connect(SESSION, TEXTS) as stream:
        await asyncio.wait_for(stream.updates.get(), PROMPTLY_S)
        assert not measured, "what the first page shows may be weeks old"
        reads.snapshot = changed_at(datetime.now(UTC) - timedelta(seconds=2))
        hub.notify()
        await asyncio.wait_for(stream.updates.get(), PROMPTLY_S)
        await eventually(lambda: len(measured) == 1, what="the measurement")
        assert 2 <= measured[0] < 2 + PROMPTLY_S


def changed_at(instant: datetime) -> StudentSnapshot:
    before = case_samples.clear()
    received = before.statuses["library"]
    changed = replace(received, status=received.status.model_copy(update={"occurred_at": instant}))
    return replace(before, statuses={**before.statuses, "library": changed})
