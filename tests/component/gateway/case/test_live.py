"""Pages that change while one looks: streams of Server-Sent Events, their beginning, number and end."""

import asyncio
import gc
from contextlib import AsyncExitStack
from types import CoroutineType
from typing import Any

import pytest

from deploy.local.identity.people import Person
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.case.live.hub import MAX_PER_SESSION
from services.gateway.web.cookies import SESSION_COOKIE
from services.kit.postgres.migrations import migrate
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, Events, RunningGateway, running_gateway
from tests.support.gateway.visits import card_open, id_of, rows
from tests.support.servers.fixtures import DatabaseMaker

MOST_CALLS = 8
"""uvicorn's three, and one each for the client's address, telemetry with spans or without, and the stream."""


async def test_a_line_turns_while_one_looks(browser: BrowserClient, clearance: ReadModelWriter, person: Person) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    async with browser.stream("/case/live") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = Events(response)
        name, data = await events.next()
        assert name == "state"
        assert "4 项已通过，还差 1 项" in data["html"]
        await clearance.all_clear_library(id_of(person), version=3)
        await clearance.notify()
        name, data = await events.next()
        assert name == "state"
        assert "5 项全部通过" in data["html"]
        assert "图书馆-图书借阅 已变为 通过：图书馆更新了记录" in data["html"]


async def test_signing_out_ends_the_open_stream(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    await browser.sign_in(person)
    async with browser.stream("/case/live") as response:
        events = Events(response)
        assert (await events.next())[0] == "state"
        await browser.post("/sign-out", {"csrf": await browser.csrf()})
        assert (await events.next())[0] == "ended"


async def test_a_stream_of_nobody_ends_at_once(browser: BrowserClient) -> None:
    async with browser.stream("/case/live") as response:
        assert await Events(response).next() == ("ended", {})


async def test_a_further_stream_of_a_session_takes_the_place_of_the_oldest(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    await browser.sign_in(person)
    async with AsyncExitStack() as opened:
        streams = [
            Events(await opened.enter_async_context(browser.stream("/case/live"))) for _ in range(MAX_PER_SESSION)
        ]
        assert [(await events.next())[0] for events in streams] == ["state"] * MAX_PER_SESSION
        for oldest in streams[:]:
            streams.append(Events(await opened.enter_async_context(browser.stream("/case/live"))))
            assert (await streams[-1].next())[0] == "state"
            assert (await oldest.next())[0] == "paused"
            with pytest.raises(EOFError):
                await oldest.next()


async def test_an_open_page_of_an_ended_session_is_told_so(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    await browser.sign_in(person)
    async with browser.stream("/case/live") as response:
        events = Events(response)
        assert (await events.next())[0] == "state"
        await rows(gateway.database, "DELETE FROM session WHERE student_id = $1", id_of(person))
        assert (await events.next(60))[0] == "ended"


async def test_an_open_page_of_a_stopping_gateway_may_reconnect(make_database: DatabaseMaker, person: Person) -> None:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    await ReadModelWriter(read_model).put_case(id_of(person))
    server = running_gateway(database, read_model, (person,))
    browser = BrowserClient(await asyncio.to_thread(server.__enter__))
    await browser.sign_in(person)
    async with browser.stream("/case/live") as response:
        events = Events(response)
        assert (await events.next())[0] == "state"
        await asyncio.to_thread(server.__exit__, None, None, None)
        with pytest.raises(EOFError):  # neither `ended` nor a response cut off
            await events.next()
    await browser.close()


async def test_an_asked_command_shows_on_the_other_open_page(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    async with browser.stream("/case/live") as response:
        events = Events(response)
        await events.next()
        await browser.post("/case/library/cancel-card", {"csrf": await browser.csrf()})
        assert "等待图书馆处理" in (await events.next())[1]["html"]


async def test_an_open_page_has_one_task_and_nothing_of_its_request_but_what_is_under_way(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    await browser.sign_in(person)
    async with browser.stream("/case/live") as response:
        assert (await Events(response).next())[0] == "state"
        waiting = [chain for chain in _chains() if "LiveStreams._stream" in [one.__qualname__ for one in chain]]
        assert len(waiting) == 1
        assert len(waiting[0]) <= MOST_CALLS, [one.__qualname__ for one in waiting[0]]
        known = [one.cr_frame.f_locals for one in waiting[0]]
        scopes = [names["scope"] for names in known if "scope" in names]
        assert scopes
        assert all(not scope["headers"] for scope in scopes)
        session = browser.cookies[SESSION_COOKIE]
        assert all(session not in repr(scope) for scope in scopes), "nor what was read in them"


def _chains() -> list[list[Any]]:
    """What each request of any server in this process waits in, from the outside."""
    chains = []
    for task in gc.get_objects():
        if isinstance(task, asyncio.Task) and "run_asgi" in getattr(task.get_coro(), "__qualname__", ""):
            chain: list[Any] = []
            one: Any = task.get_coro()
            while isinstance(one, CoroutineType) and one.cr_frame is not None:
                chain.append(one)
                one = one.cr_await
            chains.append(chain)
    return chains
