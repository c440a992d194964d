"""The broker and the databases taken away from running services: they say so, lose nothing, and nothing turns green.

No service is started again in this file: what was taken away comes back, and they go on by themselves.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.identity.people import Person
from deploy.local.installation import Installation
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.gateway.server import BrowserClient, sign_in
from tests.support.waiting import eventually
from tests.system.test_walk import CLEAR, PAGE_POLL_S, checks, line_of

FRESHNESS_BOUND_S = 6
BROKER_AWAY_S = 20
CHANGES = 5


@pytest.fixture(scope="module")
async def installation(
    own_postgres: Postgres, own_kafka: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """The library, the clearance and the gateway on servers of their own, with little patience for silence."""
    installation = Installation(
        tmp_path_factory.mktemp("away"),
        postgres=own_postgres.address,
        kafka=own_kafka.address,
        settings={"LIXIAO_FRESHNESS_BOUND_S": str(FRESHNESS_BOUND_S), "LIXIAO_ALIVE_EVERY_S": "1"},
    )
    await installation.provision()
    try:
        await installation.start("library", CLEARANCE, IDENTITY, GATEWAY)
        yield installation
    finally:
        await installation.close()


@pytest.fixture(scope="module")
async def person(installation: Installation) -> Person:
    """Somebody whom the library's word clears."""
    person = installation.person()
    await installation.enrol(person.student_id or "")
    await installation.put("library", person.student_id or "", CLEAR["library"])
    return person


@pytest.fixture
async def browser(installation: Installation, person: Person) -> AsyncIterator[BrowserClient]:
    browser = await sign_in(installation, person)
    await eventually(lambda: is_clear(browser), what="the library's line to pass", timeout_s=60, poll_s=PAGE_POLL_S)
    yield browser
    await browser.close()


async def borrowing(browser: BrowserClient) -> str:
    state: str = (await checks(browser))["library/borrowing"]["state"]
    return state


async def is_clear(browser: BrowserClient) -> bool:
    return await borrowing(browser) == "clear"


async def status_of(installation: Installation, name: str, kind: str) -> int:
    return (await installation.health(name, kind))[0]


async def all_ready(installation: Installation) -> bool:
    return {await status_of(installation, name, "ready") for name in ("library", CLEARANCE, GATEWAY)} == {200}


async def test_a_broker_away_for_a_while_loses_nothing_and_the_page_says_how_old_it_is(
    installation: Installation, own_kafka: Kafka, browser: BrowserClient
) -> None:
    students = await installation.students(CHANGES)
    pids = {name: process.pid for name, process in installation.processes.items()}
    own_kafka.stop()
    away = asyncio.create_task(asyncio.sleep(BROKER_AWAY_S))
    for number in range(CHANGES):
        for student_id in students:
            await installation.operate("library", "fine", student_id=student_id, fine_id=f"F-{number}", amount="1.00")

    async def is_waiting() -> bool:
        return await borrowing(browser) == "waiting"

    await eventually(
        is_waiting, what="the silent department's line to wait", timeout_s=FRESHNESS_BOUND_S + 10, poll_s=PAGE_POLL_S
    )
    assert (await checks(browser))["library/borrowing"]["waiting_reason"] == "stale"
    assert {check["state"] for check in (await checks(browser)).values()} == {"waiting"}, "silence is no pass"
    line = line_of((await browser.get("/case")).text, "library-borrowing")
    assert "待同步" in line
    assert "以后未收到" in line

    async def both_say_so() -> bool:
        return {await status_of(installation, name, "ready") for name in ("library", CLEARANCE)} == {503}

    await eventually(both_say_so, what="the library and the clearance to say that they hear nothing", timeout_s=30)
    assert await status_of(installation, GATEWAY, "ready") == 200, "its pages still serve"
    assert await status_of(installation, "library", "live") == 200, "a restart would not help"
    while not away.done():
        assert await is_waiting()
        await asyncio.sleep(0.5)
    own_kafka.start().wait_ready()
    await installation.in_step("library", timeout_s=60)
    await eventually(lambda: is_clear(browser), what="the line to pass again", timeout_s=30, poll_s=PAGE_POLL_S)
    await eventually(lambda: all_ready(installation), what="every service to be ready again", timeout_s=60)
    said = await installation.published("library")
    assert [said[student_id][0] for student_id in students] == [1 + CHANGES] * len(students)
    assert pids == {name: process.pid for name, process in installation.processes.items()}, "nothing was started again"


async def test_a_database_away_is_said_by_the_page_and_by_health_and_nothing_is_green_or_a_mistake(
    installation: Installation, own_postgres: Postgres, browser: BrowserClient
) -> None:
    pids = {name: process.pid for name, process in installation.processes.items()}
    page = (await browser.get("/case")).text
    assert 'class="line clear"' in page
    own_postgres.kill()
    for name in ("library", CLEARANCE, GATEWAY):
        status, told = await installation.health(name, "ready")
        assert status == 503
        assert not told["checks"]["database"]["ok"]
        assert await status_of(installation, name, "live") == 200
    for path in ("/case", "/me", "/submit", "/completed", "/"):
        answer = await browser.get(path)
        assert answer.status_code in (200, 303, 503), f"{path}: {answer.status_code}"
        assert 'class="line clear"' not in answer.text
    case = await browser.get("/case")
    assert (case.status_code, "retry-after" in case.headers) == (503, True)
    twin = await browser.get("/api/v1/case")
    assert twin.status_code == 503
    assert twin.headers["content-type"] == "application/problem+json"
    answer = await installation.client("library").post("/records/query", json={"student_id": "TS0000000000"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    own_postgres.start().wait_ready()
    await eventually(lambda: all_ready(installation), what="every service to be ready again", timeout_s=60)
    await eventually(lambda: is_clear(browser), what="the line to pass again", timeout_s=30, poll_s=PAGE_POLL_S)
    assert pids == {name: process.pid for name, process in installation.processes.items()}


async def test_a_read_model_away_alone_makes_every_line_wait_and_says_since_when(
    installation: Installation, browser: BrowserClient
) -> None:
    role = f"{installation.namespace}_{GATEWAY}"
    connection = await installation.connect(CLEARANCE)
    database = f"{installation.namespace}_{CLEARANCE}"
    # The gateway's own database goes on: sessions live, the students' data cannot be read.
    await connection.execute(f'REVOKE CONNECT ON DATABASE "{database}" FROM lixiao_reader')
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND datname = $2", role, database
        )
        page = await browser.get("/case")
        assert page.status_code == 503
        assert "暂时无法获取离校数据" in page.text
        assert 'class="line clear"' not in page.text
        assert page.text.count("待同步") >= sum(len(one.checks) for one in installation.departments.values())
        assert (await browser.get("/api/v1/checks")).status_code == 503
        assert (await browser.get("/api/v1/me")).status_code == 200
        status, told = await installation.health(GATEWAY, "ready")
        assert (status, told["checks"]["read model"]["ok"], told["checks"]["database"]["ok"]) == (503, False, True)
        assert await status_of(installation, GATEWAY, "live") == 200
    finally:
        await connection.execute(f'GRANT CONNECT ON DATABASE "{database}" TO lixiao_reader')
        await connection.close()
    await eventually(
        lambda: is_readable(browser), what="the page to be readable again", timeout_s=30, poll_s=PAGE_POLL_S
    )
    await eventually(lambda: is_clear(browser), what="the line to pass again", poll_s=PAGE_POLL_S)


async def is_readable(browser: BrowserClient) -> bool:
    return (await browser.get("/case")).status_code == 200
