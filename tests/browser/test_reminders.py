"""Staff remind the students of a list, on a phone and on a PC; the clerk with the phone has no scripts."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from playwright.async_api import expect

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.names import college_role
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser.chromium import PC, PHONE, Device
from tests.support.browser.staff_pages import looked_at, signed_in
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.gateway.staff import clerk
from tests.support.notices.served import deliver, send_all, served_notices
from tests.support.samples import case_samples
from tests.support.servers.fixtures import DatabaseMaker

CLERK = clerk("library", name="周若溪")
COLLEGES = {f"{device}-{language}": f"{device} {language} 学院" for device in (PHONE, PC) for language in ("zh", "en")}
COUNSELLORS = {key: Person(sub=key, name="简宁", roles=(college_role(name),)) for key, name in COLLEGES.items()}


@pytest.fixture(scope="module")
async def notices(make_database: DatabaseMaker) -> str:
    return await make_database("notices")


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker, notices: str) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with (
        served_notices(notices) as address,
        running_gateway(database, read_model, (CLERK, *COUNSELLORS.values()), notices=address) as running,
    ):
        yield running


async def kept_by_the_library(gateway: RunningGateway, notices: str, college: str, name: str, mail: str = "") -> None:
    clearance, number = ReadModelWriter(gateway.read_model), new_student_id()
    await clearance.put_case(number, name=name, college=college)
    books = Reason(code="books-not-returned", parameters={"count": 1})
    await clearance.put_all_clear(number, ("library", case_samples.check("borrowing", {}, books)))
    if mail:
        connection = await asyncpg.connect(notices)
        await connection.execute("INSERT INTO contact (student_id, mail) VALUES ($1, $2)", number, mail)
        await connection.close()


@pytest.mark.acceptance("N-002", "C-001")
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_counsellor_then_a_clerk_reminds_students_and_sees_what_became_of_it(
    gateway: RunningGateway, notices: str, open_profile: Open, device: Device, language: str
) -> None:
    zh, key = language == "zh", f"{device}-{language}"
    college = COLLEGES[key]
    await kept_by_the_library(gateway, notices, college, "端木清扬", "one@example.edu")
    await kept_by_the_library(gateway, notices, college, "令狐采薇", "two@example.edu")
    await kept_by_the_library(gateway, notices, college, "纳兰容")
    page = await signed_in(
        gateway, open_profile, device, COUNSELLORS[key], "progress", language=language, address="/progress/students"
    )
    await looked_at(page, f"remind-progress-{language}", device)
    await page.get_by_label("端木清扬").check()
    await page.get_by_role("button", name="提醒所选学生" if zh else "Remind those selected").click()
    await page.get_by_text("尚未办理：图书馆-图书借阅" if zh else "Still to do: ").first.wait_for()
    await looked_at(page, f"remind-look-{language}", device)
    await page.get_by_role("button", name="发送给 1 名学生" if zh else "Send to 1 student").click()
    await page.get_by_text("正在发送" if zh else "Being sent").wait_for()
    await looked_at(page, f"remind-waiting-{language}", device)
    await deliver(gateway.database, notices)
    await send_all(notices)
    await page.get_by_text("已全部处理。" if zh else "All done.").wait_for(timeout=20_000)

    page = await signed_in(
        gateway,
        open_profile,
        device,
        CLERK,
        "staff",
        language=language,
        scripts=device is PC,
        address=f"/staff/library?college={college}",
    )
    if device is PC:
        await looked_at(page, f"remind-list-{language}", device)
    await page.get_by_role("button", name="提醒名单中的全部学生" if zh else "Remind everyone listed").click()
    await expect(page.locator(".counts")).to_contain_text("3 天内已提醒过" if zh else "reminded within 3 days")
    await page.get_by_role("button", name="发送给 1 名学生" if zh else "Send to 1 student").click()
    await page.get_by_text("正在发送" if zh else "Being sent").wait_for()
    await deliver(gateway.database, notices)
    await send_all(notices)
    await page.goto(page.url)
    await page.get_by_role("link", name="查看未收到提醒的学生" if zh else "Who was not reminded").click()
    await expect(page.get_by_role("table")).to_contain_text("纳兰容")
    await expect(page.get_by_role("table")).not_to_contain_text("令狐采薇")
    if device is PC:
        await looked_at(page, f"remind-missed-{language}", device)
