"""The graduate school at its roster, on a phone and on a PC."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.names import GRADUATE_SCHOOL
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser.chromium import PC, PHONE, Device
from tests.support.browser.staff_pages import looked_at, scan, signed_in
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.roster import served_roster
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.gateway.staff import addresses, served_desks
from tests.support.servers.fixtures import DatabaseMaker

SCHOOL = Person(sub="school", name="顾长宁", roles=(GRADUATE_SCHOOL,))


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with (
        served_roster(read_model) as roster,
        served_desks({"library": await make_database("library")}) as served,
        running_gateway(database, read_model, (SCHOOL,), roster=roster, desks=addresses(served)) as running,
    ):
        yield running


async def opened(gateway: RunningGateway, open_profile: Open, device: Device, language: str = "zh") -> Page:
    return await signed_in(gateway, open_profile, device, SCHOOL, "roster", language=language)


@pytest.mark.acceptance("G-001")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_school_filters_finds_corrects_defers_closes_and_puts_back_a_student(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    clearance, number = ReadModelWriter(gateway.read_model), new_student_id()
    college = "资源学院"
    await clearance.put_case(number, name="夏侯玄", college=college, cohort="2026")
    page = await opened(gateway, open_profile, device)
    await page.get_by_label("学院").select_option(college)
    await page.get_by_role("button", name="筛选").click()
    await page.get_by_role("button", name="夏侯玄").first.wait_for()
    await looked_at(page, "roster", device)

    await scan(page, number)
    await page.get_by_role("heading", name="夏侯玄").wait_for()
    await page.locator("summary", has_text="更正信息").click()
    await page.locator("details[open]").get_by_label("专业").fill("")
    await page.locator("details[open]").get_by_role("button").click()
    await page.locator(".wrong", has_text="请填写此项").wait_for()
    await looked_at(page, "roster-field", device)
    await page.locator("details[open]").get_by_label("专业").fill("地质工程")
    await page.locator("details[open]").get_by_role("button").click()
    await page.get_by_role("status").filter(has_text="已更正").wait_for()
    await page.locator("summary", has_text="延期到另一届").click()
    await page.locator("details[open]").get_by_label("届别").fill("2027")
    await page.locator("details[open]").get_by_role("button").click()
    await page.get_by_role("status").filter(has_text="已延期").wait_for()
    await page.locator("summary", has_text="移出名单").click()
    await page.get_by_role("button", name="确认移出").click()
    await page.get_by_role("status").filter(has_text="已移出名单").wait_for()
    await looked_at(page, "roster-closed", device)
    await page.get_by_role("button", name="重新加入名单").click()
    await page.get_by_role("status").filter(has_text="已重新加入名单").wait_for()
    assert await page.locator(".history li").count() == 4
    await looked_at(page, "roster-entry", device)


@pytest.mark.acceptance("G-001")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_school_adds_a_student_and_imports_a_file_that_it_tried_before(
    gateway: RunningGateway, open_profile: Open, device: Device, tmp_path: Path
) -> None:
    page = await opened(gateway, open_profile, device)
    await page.get_by_role("link", name="新增学生").click()
    values = {"学号": new_student_id(), "姓名": "夏侯霸", "性别": "男", "学院": "资源学院", "专业": "采矿工程"}
    for label, value in {**values, "现在年级": "2023级", "入学日期": "2023-09-01"}.items():
        await page.get_by_label(label).fill(value)
    await looked_at(page, "roster-new", device)
    await page.get_by_role("button", name="加入名单").click()
    await page.get_by_role("status").filter(has_text="已加入名单").wait_for()

    file = tmp_path / "名单.csv"
    heading = "学号,姓名,性别,学院,专业,现在年级,入学日期,离校类别,届别"
    rows = (
        f"{new_student_id()},夏侯渊,男,资源学院,采矿工程,2023级,{day},毕业离校,2026" for day in ("2023-09-01", "去年")
    )
    file.write_text("\n".join((heading, *rows)), "utf-8")
    await page.goto("/roster")
    await page.get_by_role("link", name="导入文件").click()
    await page.set_input_files("#file", file)
    async with page.context.expect_page() as tab:
        await page.get_by_role("button", name="先试一试").click()
    tried = await tab.value
    await tried.get_by_text("未改动数据").wait_for()
    await looked_at(tried, "roster-preview", device)
    await tried.close()
    await page.get_by_role("button", name="导入", exact=True).click()
    await page.get_by_text("已完成").wait_for()
    await page.get_by_role("heading", name="被拒绝的行").wait_for()
    await looked_at(page, "roster-job", device)


async def test_the_roster_is_in_english_too(gateway: RunningGateway, open_profile: Open) -> None:
    number = new_student_id()
    await ReadModelWriter(gateway.read_model).put_case(number, name="夏侯惇")
    page = await opened(gateway, open_profile, PHONE, "en")
    await page.get_by_role("heading", name="Roster of leavers").wait_for()
    await looked_at(page, "roster-en", PHONE)
    await scan(page, number)
    await page.get_by_text("On the roster: may clear and submit.").wait_for()
    await page.locator("summary", has_text="Correct the data").click()
    await looked_at(page, "roster-entry-en", PHONE)
    await page.goto("/roster/new")
    await looked_at(page, "roster-new-en", PHONE)


@pytest.mark.acceptance("G-003")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_wall_screen_is_dark_and_read_from_afar(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    await ReadModelWriter(gateway.read_model).put_case(new_student_id(), name="公冶长", state="completed")
    page = await opened(gateway, open_profile, device)
    await page.get_by_role("link", name="办理进度").click()
    await page.get_by_role("link", name="大屏").click()
    await page.locator(".share strong").wait_for()
    share = await page.locator(".share strong").evaluate("one => parseFloat(getComputedStyle(one).fontSize)")
    assert share >= 80
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(11, 18, 25)"
    assert "公冶长" not in await page.content()
    await looked_at(page, "wall", device)


@pytest.mark.acceptance("G-004")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_school_sees_how_old_each_departments_data_is_and_which_lists_are_complete(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    page = await opened(gateway, open_profile, device)
    await page.get_by_role("link", name="数据来源").click()
    await page.get_by_text("全部学生").first.wait_for()
    await page.get_by_text("部门系统没有响应").first.wait_for()
    await looked_at(page, "sources", device)
