"""What a student sees while a database is away: what is known and since when, never green, never an error of ours."""

import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from deploy.local.http_clients import local_client
from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from deploy.local.servers.postgres import Postgres, create_database
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, Events, RunningGateway, running_gateway
from tests.support.servers.fixtures import DatabaseMaker
from tests.support.waiting import eventually

STUDENT = Person(sub="u-1", name="虚构一", student_id=new_student_id())


@pytest.fixture
async def split(own_postgres: Postgres, make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    """A gateway whose read model is on a server that can be stopped."""
    async for gateway in _gate(
        await make_database("gateway"), await create_database(own_postgres.address, f"clearance_{secrets.token_hex(3)}")
    ):
        yield gateway


@pytest.fixture
async def together(own_postgres: Postgres, make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    """A gateway whose own database is on a server that can be stopped, and its read model is not."""
    async for gateway in _gate(
        await create_database(own_postgres.address, f"gateway_{secrets.token_hex(3)}"), await make_database("clearance")
    ):
        yield gateway


async def _gate(database: str, read_model: str) -> AsyncIterator[RunningGateway]:
    await migrate(read_model, CLEARANCE_FOLDERS)
    clearance = ReadModelWriter(read_model)
    assert STUDENT.student_id is not None
    await clearance.put_case(STUDENT.student_id)
    await clearance.all_clear(STUDENT.student_id)
    with running_gateway(database, read_model, (STUDENT,), freshness_bound_s=3600) as gateway:
        yield gateway


def restart(server: Postgres) -> None:
    server.start().wait_ready()


@contextmanager
def paused(server: Postgres) -> Iterator[None]:
    """The server and its sessions stand still: what is sent is taken, and never answered."""
    main = psutil.Process(server.pid)
    everything = [main, *main.children(recursive=True)]
    for process in everything:
        process.suspend()
    try:
        yield
    finally:
        for process in everything:
            process.resume()


def verdicts(page: httpx.Response) -> set[str]:
    return set(re.findall(r'data-state="([a-z]+)"', page.text))


async def test_without_the_read_model_every_line_is_grey_and_says_since_when(
    split: RunningGateway, own_postgres: Postgres
) -> None:
    browser = BrowserClient(split)
    await browser.sign_in(STUDENT)
    assert verdicts(await browser.get("/case")) == {"clear"}
    async with browser.stream("/case/live") as response:
        events = Events(response)
        assert (await events.next())[0] == "state"
        own_postgres.kill()
        try:
            name, data = await events.next()
            page = await browser.get("/case")
            twin = await browser.get("/api/v1/case")
            refused = await browser.post("/submit", {"csrf": await browser.csrf()})
            async with local_client(browser.gateway.operator_address, timeout=20) as operator:
                ready = await operator.get("/health/ready")
            live = await browser.get("/health/live")
        finally:
            restart(own_postgres)
        assert (name, set(data)) == ("unread", {"since"})
        assert page.status_code == 503
        assert verdicts(page) == {"waiting"}
        assert "暂时无法获取离校数据" in page.text
        assert "tel:051683590233" in page.text
        assert (twin.status_code, twin.json()["type"]) == (503, "urn:lixiao:problem:unreadable")
        assert refused.status_code == 503
        assert ready.json()["checks"]["read model"]["ok"] is False
        assert live.status_code == 200
        assert (await events.next(60))[0] == "state"
    await eventually(lambda: _shows(browser, 200), what="the page to come back")
    assert verdicts(await browser.get("/case")) == {"clear"}
    await browser.close()


async def test_a_read_model_that_hangs_is_as_good_as_away(split: RunningGateway, own_postgres: Postgres) -> None:
    browser = BrowserClient(split)
    await browser.sign_in(STUDENT)
    assert verdicts(await browser.get("/case")) == {"clear"}
    with paused(own_postgres):
        page = await browser.get("/case")
    assert page.status_code == 503
    assert verdicts(page) == {"waiting"}
    await eventually(lambda: _shows(browser, 200), what="the page to come back")
    await browser.close()


async def test_without_its_own_database_the_gateway_says_so_calmly_and_the_guide_stays_open(
    together: RunningGateway, own_postgres: Postgres
) -> None:
    browser = BrowserClient(together)
    await browser.sign_in(STUDENT)
    own_postgres.kill()
    try:
        page = await browser.get("/case")
        guide = await browser.get("/")
        twin = await browser.get("/api/v1/case")
        write = await browser.post("/submit", {"csrf": "x"})
    finally:
        restart(own_postgres)
    assert page.status_code == 503
    assert "服务暂时不可用" in page.text
    assert guide.status_code == 200
    assert "常见问题" in guide.text
    assert (twin.status_code, twin.headers["content-type"]) == (503, "application/problem+json")
    assert write.status_code == 503
    await eventually(lambda: _shows(browser, 200), what="the page to come back")
    await browser.close()


async def _shows(browser: BrowserClient, status: int) -> bool:
    return (await browser.get("/case")).status_code == status
