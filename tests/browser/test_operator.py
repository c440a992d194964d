"""An operator on a phone and on a PC: from "this line did not turn" to the cause, and a dead letter to its end."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from playwright.async_api import Page

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.audit.log import append_entry
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.messaging.dead_letters.store import DeadLetter, store_dead_letters
from services.kit.names import OPERATOR
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser.chromium import PC, PHONE, Device
from tests.support.browser.staff_pages import looked_at, signed_in
from tests.support.departments.desks import desk_over, open_case
from tests.support.gateway.operated import operated
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.gateway.visits import PEOPLE, card_open, id_of
from tests.support.in_process.services import record_of
from tests.support.servers.fixtures import DatabaseMaker
from tests.support.waiting import eventually

_looking = iter(PEOPLE[:4])
"""Students who look at their own page."""
OPERATES = Person(sub="operates", name="程以恒", roles=(OPERATOR,))


@dataclass(frozen=True)
class Operated:
    gateway: RunningGateway
    library: str


@pytest.fixture(scope="module")
async def installed(make_database: DatabaseMaker) -> AsyncIterator[Operated]:
    database, read_model, library = [await make_database(name) for name in ("gateway", "clearance", "library")]
    await migrate(read_model, CLEARANCE_FOLDERS)
    await migrate(library, DEPARTMENT_FOLDERS)
    with (
        operated(library, read_model) as services,
        running_gateway(
            database,
            read_model,
            (OPERATES, *PEOPLE[:4]),
            operated=services,
            trace_ui="https://traces.example/{trace_id}",
            freshness_bound_s=3_600,
        ) as running,
    ):
        yield Operated(running, library)


async def opened(gateway: RunningGateway, open_profile: Open, device: Device, language: str) -> Page:
    return await signed_in(gateway, open_profile, device, OPERATES, "operator", language=language)


async def set_aside(library: str, student_id: str, offset: int) -> int:
    """Its number."""
    trace = (("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),)
    record = record_of("test.clearance.case.v1", student_id.encode(), b'{"half', offset=offset, headers=trace)
    connection = await asyncpg.connect(library)
    async with connection.transaction():
        await store_dead_letters(connection, "test.library", [DeadLetter(record, "data: it is no JSON")])
    number: int = await connection.fetchval('SELECT id FROM dead_letter WHERE "offset" = $1', offset)
    await connection.close()
    return number


@pytest.mark.acceptance("O-001")
@pytest.mark.parametrize(("device", "language"), [(PHONE, "zh"), (PC, "zh"), (PC, "en"), (PHONE, "en")], ids=str)
async def test_an_operator_sees_the_services_and_ends_a_dead_letter(
    installed: Operated, open_profile: Open, device: Device, language: str
) -> None:
    number = await set_aside(installed.library, new_student_id(), offset=hash((device, language)) % 10**9)
    clearance = ReadModelWriter(installed.gateway.read_model)
    await clearance.put_alive_mark("library")
    page = await opened(installed.gateway, open_profile, device, language)
    await page.get_by_text("republication: everything is published again").wait_for()
    await looked_at(page, f"operator-{language}", device)
    await page.locator('a[href="/operator/library/dead-letters"]').click()
    await page.locator(f'a[href="/operator/library/dead-letters/{number}"]').wait_for()
    await looked_at(page, f"operator-letters-{language}", device)
    await page.locator(f'a[href="/operator/library/dead-letters/{number}"]').click()
    await page.locator("summary").first.click()
    await page.get_by_text('{"half').wait_for()
    await looked_at(page, f"operator-letter-{language}", device)
    await page.locator('form[action$="/replay"] button').click()
    await page.get_by_role("alert").wait_for()
    await looked_at(page, f"operator-letter-refused-{language}", device)
    await page.locator("#why").fill("测试数据")
    await page.keyboard.press("Enter")
    await page.get_by_role("status").wait_for()
    await looked_at(page, f"operator-letter-ended-{language}", device)


@pytest.mark.acceptance("O-002")
@pytest.mark.parametrize(("device", "language"), [(PHONE, "zh"), (PC, "en")], ids=str)
async def test_an_operator_follows_a_student_from_each_department_to_the_view(
    installed: Operated, open_profile: Open, device: Device, language: str
) -> None:
    student_id = new_student_id()
    clearance = ReadModelWriter(installed.gateway.read_model)
    await clearance.put_case(student_id, name="欧阳𠮷㛃")
    async with desk_over(installed.library, "library") as desk:
        await open_case(desk, student_id)
        async with desk.pool.acquire() as connection:
            await append_entry(connection, actor="方石", act="desk.return", outcome="changed", student_id=student_id)
        await desk.pool.execute("DELETE FROM outbox WHERE key = $1", student_id.encode())
        status = await desk.pool.fetchval("SELECT status FROM record WHERE student_id = $1", student_id)
    page = await opened(installed.gateway, open_profile, device, language)
    await page.locator("#q").fill(student_id.lower())
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="欧阳𠮷㛃").wait_for()
    assert student_id not in page.url
    library = page.locator("section[aria-labelledby='of-library']")
    words = "视图还没有收到" if language == "zh" else "not in the view yet"
    await library.get_by_text(words).wait_for()
    await looked_at(page, f"operator-student-behind-{language}", device)
    await clearance.put_status(student_id, "library", json.loads(status)["checks"])
    await page.locator("#q").fill(student_id)
    await page.keyboard.press("Enter")
    await library.get_by_text(".library.status.v1 / 0 / 1").wait_for()
    await library.locator("summary").click()
    await looked_at(page, f"operator-student-{language}", device)


@pytest.mark.acceptance("O-001")
@pytest.mark.parametrize(("device", "language"), [(PHONE, "zh"), (PC, "en")], ids=str)
async def test_an_operator_looks_at_keys_and_tokens_and_searches_and_verifies_the_audits(
    installed: Operated, open_profile: Open, device: Device, language: str
) -> None:
    student_id = new_student_id()
    connection = await asyncpg.connect(installed.library)
    for act in ("desk.loan", "desk.return"):
        await append_entry(
            connection,
            actor="gateway: 方石 (fang.shi)",
            act=act,
            outcome="changed",
            student_id=student_id,
            details={"version": 4, "clear": True},
        )
    await connection.close()
    page = await opened(installed.gateway, open_profile, device, language)
    await page.locator('a[href="/operator/keys"]').click()
    await page.get_by_text("正在签名" if language == "zh" else "Signs", exact=True).first.wait_for()
    await looked_at(page, f"operator-keys-{language}", device)
    await page.locator('a[href="/operator/audit"]').click()
    await page.locator("#filter-student").fill(student_id.lower())
    await page.locator("#filter-act").fill("desk")
    await page.keyboard.press("Enter")
    await page.get_by_text("desk.return", exact=True).wait_for()
    assert student_id not in page.url
    await looked_at(page, f"operator-audit-{language}", device)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="CSV").click()
    assert (await download.value).suggested_filename.endswith(".csv")
    await page.locator('form[action$="/verify"] button').click()
    await page.get_by_text("全部相符" if language == "zh" else "fit", exact=False).first.wait_for()
    await looked_at(page, f"operator-chain-{language}", device)


@pytest.mark.acceptance("O-003")
@pytest.mark.parametrize(("device", "language"), [(PHONE, "zh"), (PC, "en")], ids=str)
async def test_an_operator_sees_what_a_students_page_showed_at_an_instant_and_why(
    installed: Operated, open_profile: Open, device: Device, language: str
) -> None:
    student = next(_looking)
    student_id = id_of(student)
    clearance = ReadModelWriter(installed.gateway.read_model)
    await card_open(clearance, student)
    connection = await asyncpg.connect(installed.library)
    trace = {"version": 2, "trace": "4bf92f3577b34da6a3ce929d0e0e4736"}
    await append_entry(
        connection, actor="方石", act="desk.issue-card", outcome="changed", student_id=student_id, details=trace
    )
    await connection.close()
    at_home = BrowserClient(installed.gateway)
    await at_home.sign_in(student)
    assert "未通过" in (await at_home.get("/case")).text
    await clearance.all_clear_library(student_id, version=3)
    assert "未通过" not in (await at_home.get("/case")).text
    await at_home.close()
    page = await opened(installed.gateway, open_profile, device, language)

    async def kept() -> bool:
        await page.goto("/operator")
        await page.locator("#q").fill(student_id)
        await page.keyboard.press("Enter")
        await page.locator("#at").wait_for()
        return await page.get_by_text("未通过 → 通过").count() == 1

    await eventually(kept, what="both pages to be kept", timeout_s=30)
    await page.locator('button[name="at"]').last.click()
    library = page.get_by_role("region", name="图书馆-图书借阅")
    await library.get_by_text("未通过", exact=True).wait_for()
    await library.locator('a[href$="4bf92f3577b34da6a3ce929d0e0e4736"]').wait_for()
    await library.get_by_text("之后变为" if language == "zh" else "It became").wait_for()
    assert student_id not in page.url
    await looked_at(page, f"operator-then-{language}", device)


@pytest.mark.parametrize("device", [PHONE], ids=str)
async def test_the_operators_pages_work_without_scripts(
    installed: Operated, open_profile: Open, device: Device
) -> None:
    signing_in = BrowserClient(installed.gateway)
    await signing_in.sign_in(OPERATES, place="operator")
    await signing_in.close()
    context = await open_profile(device, address=installed.gateway.address, cookies=signing_in.cookies, scripts=False)
    page = await context.new_page()
    await page.goto("/operator")
    await page.locator("#q").fill("不是学号")
    await page.keyboard.press("Enter")
    await page.get_by_role("alert").wait_for()
