"""The end of a session reaches its open pages, whatever is being read for them at that moment."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from msgspec import structs
from starlette.types import Message

from services.gateway.case.live import due_students
from services.gateway.case.live import hub as live
from services.gateway.case.live.hub import MAX_PER_SESSION, Hub, TooManyStreams
from services.gateway.case.live.stream import Stream
from services.gateway.case.present import present
from services.gateway.case.progress import CaseProgress
from services.gateway.case.view_model import CasePage
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.students import ReadModel
from services.gateway.read_model.types import Command, CommandState, StudentSnapshot
from services.gateway.routes.student import live_pages
from services.gateway.routes.student.live_pages import LivePages
from services.gateway.tables.sessions.session import Session
from services.gateway.web.renderer import Renderer
from services.kit.observability import metrics
from services.kit.view_groups import group_of
from tests.support.samples import case_samples
from tests.support.waiting import eventually

SESSION = Session(b"hash", "TS23170042P31", "csrf", case_samples.NOW, case_samples.NOW + timedelta(hours=1))
TEXTS = catalogue("zh")
PROMPTLY_S = 5.0
"""Far below how often sessions are looked at in these tests."""


@dataclass
class Rows:
    """Of a student, as of the table: equal ones are the same state. Not a usual case: those are made by their shape."""

    state: StudentSnapshot
    own: None = None

    def content(self) -> tuple[Any, ...]:
        return (repr(self.state),)

    def alive_marks(self) -> tuple[datetime | None, ...]:
        return tuple(received.alive_as_of for received in self.state.statuses.values())

    def former_numbers(self) -> tuple[str, ...]:
        return tuple(number for number, _ in self.state.former)

    def snapshot(self) -> StudentSnapshot:
        return self.state


class Reads:
    """A read model whose answer waits until it is let go."""

    def __init__(self) -> None:
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()
        self.snapshot = case_samples.clear()
        self.count = 0

    async def rows_of_many(self, students: Collection[str]) -> dict[str, Rows]:
        self.asked.set()
        await self.let_go.wait()
        self.count += 1
        return dict.fromkeys(students, Rows(self.snapshot))


class OpenPage:
    """What a browser was sent. It reads, unless `reading` is cleared."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.reading = asyncio.Event()
        self.reading.set()
        self._sent: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
        stream.start(self._send)

    async def next(self) -> tuple[str, bool]:
        """The next event's name, "" without one, and whether more follow."""
        frame, more = await asyncio.wait_for(self._sent.get(), PROMPTLY_S)
        return frame.partition(b"\n")[0].decode().removeprefix("event: "), more

    @property
    def waiting(self) -> int:
        return self._sent.qsize()

    async def _send(self, message: Message) -> None:
        self._sent.put_nowait((message["body"], message["more_body"]))
        await self.reading.wait()


@asynccontextmanager
async def opened(hub: Hub) -> AsyncIterator[OpenPage]:
    stream = hub.connect(SESSION, TEXTS)
    try:
        yield OpenPage(stream)
    finally:
        hub.disconnect(stream)


async def no_commands(_: Collection[str]) -> dict[str, Any]:
    return {}


@asynccontextmanager
async def hub_over(reads: Reads, *alive: bytes, commands: Any = no_commands) -> AsyncIterator[Hub]:
    async def alive_ones(_: Collection[bytes]) -> frozenset[bytes]:
        return frozenset(alive)

    site = case_samples.site()
    hub = Hub(
        cast(ReadModel, reads),
        commands,
        no_commands,
        alive_ones,
        site=site,
        page=LivePages(Renderer(site, case_samples.FOLDER), Mock()).page,
        max_streams=10,
        session_check_s=3600,
    )
    running = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        running.cancel()
        await asyncio.wait_for(asyncio.gather(running, return_exceptions=True), PROMPTLY_S)


async def test_an_end_in_the_middle_of_a_reading_is_not_overtaken_by_what_was_read() -> None:
    reads = Reads()
    async with hub_over(reads, SESSION.id_hash) as hub, opened(hub) as page:
        await reads.asked.wait()
        hub.end(SESSION.id_hash)
        reads.let_go.set()
        await eventually(lambda: reads.count > 0, what="the reading")
        for _ in range(10):
            await asyncio.sleep(0)
        assert await page.next() == ("ended", False)
        assert page.waiting == 0


async def test_a_session_that_ended_while_its_stream_connected_is_told_at_once() -> None:
    reads = Reads()
    reads.let_go.set()
    async with hub_over(reads) as hub, opened(hub) as page:
        update = await page.next()
        if update == ("state", True):
            update = await page.next()
        assert update == ("ended", False)


async def test_a_stopping_server_ends_open_and_arriving_streams_without_ending_their_session() -> None:
    reads = Reads()
    async with hub_over(reads, SESSION.id_hash) as hub, opened(hub) as before:
        await reads.asked.wait()
        hub.close()
        reads.let_go.set()
        async with opened(hub) as arriving:
            for page in (before, arriving):
                assert await page.next() == ("", False)


async def test_clients_that_do_not_go_when_they_are_told_to_pause_are_no_way_past_the_limit() -> None:
    async with hub_over(Reads()) as hub:
        for _ in range(2 * MAX_PER_SESSION):
            hub.connect(SESSION, TEXTS)
        with pytest.raises(TooManyStreams):
            hub.connect(SESSION, TEXTS)


@pytest.mark.parametrize("turns", range(5))
async def test_a_hub_that_is_ended_in_the_turn_of_a_notification_ends(turns: int) -> None:
    async with hub_over(Reads()) as hub:
        await asyncio.sleep(0.1)
        hub.notify()
        for _ in range(turns):
            await asyncio.sleep(0)


async def test_the_way_from_a_commit_to_an_open_page_is_measured_once_for_each_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[float] = []
    monkeypatch.setattr(metrics.COMMIT_TO_PAGE, "record", measured.append)
    reads = Reads()
    reads.let_go.set()
    async with hub_over(reads, SESSION.id_hash) as hub, opened(hub) as page:
        await page.next()
        assert not measured, "what the first page shows may be weeks old"
        reads.snapshot = changed_at(datetime.now(UTC) - timedelta(seconds=2))
        hub.notify()
        await page.next()
        await eventually(lambda: len(measured) == 1, what="the measurement")
        assert 2 <= measured[0] < 2 + PROMPTLY_S


async def test_a_change_under_a_former_number_is_on_the_open_page_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_students, "MAX_INTERVAL_S", 3600)
    reads = Reads()
    reads.snapshot = replace(reads.snapshot, former=(("TS19170042P31", case_samples.clear()),))
    reads.let_go.set()
    async with hub_over(reads, SESSION.id_hash) as hub, opened(hub) as page:
        await page.next()
        reads.snapshot = replace(reads.snapshot, former=(("TS19170042P31", case_samples.blocked()),))
        hub.notify(group_of("TS19170042P31"))
        assert await page.next() == ("state", True)


async def test_a_page_is_made_for_whatever_is_new_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[CaseProgress] = []

    def counted(context: ViewContext, progress: CaseProgress) -> CasePage:
        made.append(progress)
        return present(context, progress)

    asked: dict[str, tuple[Command, ...]] = {}

    async def commands(_: Collection[str]) -> dict[str, tuple[Command, ...]]:
        return asked

    monkeypatch.setattr(live_pages, "present", counted)
    clock = datetime.now(UTC)
    monkeypatch.setattr(live, "datetime", SimpleNamespace(now=lambda _: clock))
    reads = Reads()
    reads.let_go.set()

    async with hub_over(reads, SESSION.id_hash, commands=commands) as hub, opened(hub) as page:

        async def read_again() -> None:
            before = reads.count
            hub.notify()
            await eventually(lambda: reads.count > before, what="a read")
            before = reads.count
            hub.notify()
            await eventually(lambda: reads.count > before, what="the end of the read before")

        await page.next()
        await read_again()
        assert len(made) == 1
        reads.snapshot = changed_at(clock)
        await read_again()
        assert len(made) == 2
        asked[SESSION.student_id] = (
            Command(case_samples.ATTEMPT, "library", "cancel-card", CommandState.ASKED, clock),
        )
        await read_again()
        assert len(made) == 3
        clock += timedelta(days=1)
        await read_again()
        assert len(made) == 4, "another day, and the departments are silent"


def changed_at(instant: datetime) -> StudentSnapshot:
    before = case_samples.clear()
    received = before.statuses["library"]
    changed = replace(received, status=structs.replace(received.status, occurred_at=instant))
    return replace(before, statuses={**before.statuses, "library": changed})
