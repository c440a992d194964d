"""The browser, the scenes with every page and state, and an installation where every service runs."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final, Protocol

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, WebError

from deploy.local.installation import Installation
from deploy.local.servers.kafka import RunningKafka
from deploy.local.servers.server import Running
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.browser.chromium import Device, chromium, find_chromium, open_context
from tests.support.browser.journey_data import CLERK
from tests.support.browser.scene_setter import SceneSetter, scene_setter
from tests.support.servers.fixtures import DatabaseMaker

QUIET: Final = ("Failed to load resource",)
"""What the console says of an answer that is no success: the page of it is looked at by the test."""


class Open(Protocol):
    """Opens a browser profile: `await open_profile(PHONE, address=…, cookies=…)`; it is closed after the test."""

    def __call__(self, device: Device, *, address: str, **more: Any) -> Awaitable[BrowserContext]: ...


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser, started once. Where there is none its tests are skipped, which `--ci` turns into failures."""
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium: apt install chromium-headless-shell, or set LIXIAO_CHROMIUM")
    async with chromium(program) as running:
        yield running


@pytest.fixture
async def open_profile(browser: Browser) -> AsyncIterator[Open]:
    """Browser profiles for one test. An error in a page's script, or one its policy stopped, fails the test."""
    opened: list[BrowserContext] = []
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(QUIET):
            wrong.append(message.text)

    def thrown(error: WebError) -> None:
        wrong.append(str(error.error))

    async def open_one(device: Device, *, address: str, **more: Any) -> BrowserContext:
        context = await open_context(browser, device, address=address, **more)
        context.on("console", heard)
        context.on("weberror", thrown)
        opened.append(context)
        return context

    yield open_one
    for context in opened:
        await context.close()
    assert wrong == []


@pytest.fixture(scope="session")
async def scenes(make_database: DatabaseMaker) -> AsyncIterator[SceneSetter]:
    """A gateway whose read model the test writes."""
    async with scene_setter(make_database) as ready:
        yield ready


@pytest.fixture(scope="session")
async def installation(
    postgres: Running, kafka: RunningKafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """Every service. A test that stops one starts it again."""
    installation = Installation(tmp_path_factory.mktemp("installation"), postgres=postgres.address, kafka=kafka.address)
    installation.people.append(CLERK)
    await installation.provision()
    try:
        await installation.start(*installation.departments, CLEARANCE, IDENTITY, GATEWAY)
        yield installation
    finally:
        await installation.close()
