"""What comes between: two tabs, a double click, the back button, an ended session, bad networks, kind errors."""

import asyncio
import re

import pytest
from playwright.async_api import Page, expect

from deploy.local.installation import Installation
from schemas.flows import CLEARANCE, GATEWAY
from tests.browser.conftest import Open
from tests.support.browser import journey_data
from tests.support.browser.chromium import PC, PHONE, Device
from tests.support.browser.scene_setter import SceneSetter
from tests.support.browser.scenes import BY_NAME

SLOW = {"offline": False, "latency": 400, "downloadThroughput": 32_000, "uploadThroughput": 16_000}
"""A crowded campus cell: 400 ms away and 256 kbit/s."""


@pytest.mark.acceptance("S-092")
async def test_two_tabs_a_double_click_a_second_device_and_the_back_button_make_one_submission(
    installation: Installation, open_profile: Open
) -> None:
    person = await journey_data.student(installation, journey_data.CLEAR)
    address = installation.address(GATEWAY)
    at_home = await open_profile(PC, address=address, cookies=await journey_data.cookies(installation, person))
    on_the_way = await open_profile(PHONE, address=address, cookies=await journey_data.cookies(installation, person))
    pages = [await at_home.new_page(), await at_home.new_page(), await on_the_way.new_page()]
    for page in pages:
        await page.goto("/case")
        await page.get_by_role("link", name="提交离校服务").click()
    await asyncio.gather(*(page.get_by_role("button", name="确认提交").dblclick() for page in pages))
    for page in pages:
        await expect(page).to_have_url(re.compile("(/case#submit|/submitted)$"))
    numbers = [await journey_data.is_done(page) for page in pages]
    assert len(set(numbers)) == 1
    await pages[0].go_back()
    await pages[0].reload()
    await expect(pages[0].locator("main")).to_contain_text(numbers[0], timeout=journey_data.LONG_MS)
    await pages[0].goto("/submit")
    await expect(pages[0].get_by_role("heading", level=1)).to_contain_text(numbers[0])
    await expect(pages[0].get_by_role("button", name="确认提交")).to_have_count(0)
    assert await journey_data.attempts(installation, person) == ["accepted"]
    commands = await (await installation.database(GATEWAY)).fetchval(
        "SELECT count(*) FROM command WHERE student_id = $1", person.student_id
    )
    assert commands == 1


@pytest.mark.acceptance("S-091", "S-093")
async def test_a_debt_not_yet_on_the_page_refuses_the_submission_with_its_reason(
    installation: Installation, open_profile: Open
) -> None:
    person = await journey_data.student(installation, journey_data.CLEAR)
    context = await open_profile(
        PHONE, address=installation.address(GATEWAY), cookies=await journey_data.cookies(installation, person)
    )
    page = await context.new_page()
    view = installation.processes[CLEARANCE]
    view.pause()
    try:
        await installation.operate("finance", "charge", student_id=person.student_id or "", **journey_data.CHARGES[0])
        await page.goto("/case")
        await expect(page.locator("#summary-title")).to_have_text("5 项全部通过")
        await page.get_by_role("link", name="提交离校服务").click()
        await page.get_by_role("button", name="确认提交").click()
    finally:
        view.resume()
    refusal = page.locator(".refusal")
    await expect(refusal).to_contain_text("的提交未被受理", timeout=journey_data.LONG_MS)
    await expect(refusal).to_contain_text("财务处收费管理办公室：有 1 项欠费，共 60.00 元")
    await journey_data.shows(page, "finance-arrears", "未通过")
    assert await journey_data.attempts(installation, person) == ["refused"]
    await journey_data.when_free(
        installation, "finance", "payment", student_id=person.student_id or "", charge_id="C-1", amount="60.00"
    )
    await expect(page.locator("#summary-title")).to_have_text("5 项全部通过", timeout=journey_data.LONG_MS)
    await page.get_by_role("link", name="提交离校服务").click()
    await page.get_by_role("button", name="确认提交").click()
    await journey_data.is_done(page)


async def test_a_session_that_ends_in_the_middle_is_said_and_nothing_is_done(
    installation: Installation, open_profile: Open
) -> None:
    person = await journey_data.student(installation, journey_data.CLEAR)
    context = await open_profile(
        PHONE, address=installation.address(GATEWAY), cookies=await journey_data.cookies(installation, person)
    )
    page = await context.new_page()
    await page.goto("/submit")
    await (await installation.database(GATEWAY)).execute("DELETE FROM session WHERE student_id = $1", person.student_id)
    await page.get_by_role("button", name="确认提交").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("请先登录")
    await expect(page.locator("main")).to_contain_text("登录已结束")
    assert await journey_data.attempts(installation, person) == []
    await page.get_by_role("link", name="统一身份认证登录").click()
    await journey_data.choose_person(page, person)
    await expect(page.locator("#summary-title")).to_have_text("5 项全部通过")


async def test_signing_out_in_one_tab_clears_the_pages_of_the_others(
    installation: Installation, open_profile: Open
) -> None:
    person = await journey_data.student(installation, journey_data.CLEAR)
    context = await open_profile(
        PC, address=installation.address(GATEWAY), cookies=await journey_data.cookies(installation, person)
    )
    live, still, other = [await context.new_page() for _ in range(3)]
    await live.goto("/case")
    await still.goto("/me")
    await other.goto("/case")
    await expect(live.locator(".line")).to_have_count(5)
    await expect(still.locator("#completed")).to_be_visible()
    await other.get_by_role("button", name="退出").click()
    await expect(other).to_have_url(re.compile("/signed-out.state=everywhere$"))
    await expect(other.get_by_role("heading", level=1)).to_have_text("已退出")
    for page in (live, still):
        await _is_cleared(page)
    await live.get_by_role("link", name="统一身份认证登录").click()
    await journey_data.choose_person(live, person)
    await expect(live).to_have_url(re.compile("/case$"))
    await expect(live.locator("#summary-title")).to_have_text("5 项全部通过")


async def test_a_session_that_is_ended_elsewhere_clears_the_open_live_page(
    installation: Installation, open_profile: Open
) -> None:
    person = await journey_data.student(installation, journey_data.CLEAR)
    cookies = await journey_data.cookies(installation, person)
    page = await (await open_profile(PHONE, address=installation.address(GATEWAY), cookies=cookies)).new_page()
    await page.goto("/case")
    await expect(page.locator("#summary-title")).to_have_text("5 项全部通过")
    await (await installation.database(GATEWAY)).execute("DELETE FROM session WHERE student_id = $1", person.student_id)
    await _is_cleared(page)


async def _is_cleared(page: Page) -> None:
    await expect(page.locator("main")).to_have_text(
        re.compile(r"^\s*登录已结束，请重新登录。\s*统一身份认证登录\s*$"), timeout=journey_data.LONG_MS
    )
    await expect(page.get_by_role("button", name="退出")).to_have_count(0)
    assert "csrf" not in await page.content()


async def test_a_gateway_that_restarts_is_a_small_banner_and_then_the_newest(
    installation: Installation, open_profile: Open
) -> None:
    person = await journey_data.student(installation, journey_data.OPEN)
    context = await open_profile(
        PHONE, address=installation.address(GATEWAY), cookies=await journey_data.cookies(installation, person)
    )
    page = await context.new_page()
    await page.goto("/case")
    top = await page.locator("#archives-thesis").evaluate("one => one.offsetTop")
    installation.kill(GATEWAY)
    notice = page.locator("#notice")
    await expect(notice).to_contain_text("连接中断，正在重新连接。以下为")
    banner = await notice.bounding_box()
    assert banner is not None
    assert banner["height"] < 100
    await expect(page.locator("#archives-thesis .verdict")).to_have_text("未通过")
    await installation.operate("archives", "approved", student_id=person.student_id or "")
    await installation.start(GATEWAY)
    await expect(notice).to_be_hidden(timeout=journey_data.LONG_MS)
    await journey_data.shows(page, "archives-thesis", "通过")
    assert await page.locator("#archives-thesis").evaluate("one => one.offsetTop") == top
    assert await page.evaluate("performance.getEntriesByType('navigation').length") == 1


async def test_on_a_slow_network_the_page_is_complete_and_lines_still_turn(
    installation: Installation, open_profile: Open
) -> None:
    person = await journey_data.student(installation, journey_data.OPEN)
    context = await open_profile(
        PHONE, address=installation.address(GATEWAY), cookies=await journey_data.cookies(installation, person)
    )
    page = await context.new_page()
    debugger = await context.new_cdp_session(page)
    await debugger.send("Network.enable")
    await debugger.send("Network.emulateNetworkConditions", SLOW)
    await page.goto("/case")
    await expect(page.locator(".line")).to_have_count(5)
    await expect(page.locator("#notice")).to_be_hidden()
    await installation.operate("archives", "approved", student_id=person.student_id or "")
    await journey_data.shows(page, "archives-thesis", "通过")


@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_while_nothing_can_be_read_the_page_is_grey_calm_and_says_whom_to_call(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    scene = BY_NAME["case-away"]
    actor = await scenes.play(scene)
    assert actor is not None
    page = await (await open_profile(device, address=scenes.address(scene), cookies=actor.cookies)).new_page()
    await page.goto("/case")
    await expect(page.locator("#summary-title")).to_contain_text("暂时无法获取离校数据")
    await expect(page.locator(".line .verdict")).to_have_text(["待同步"] * 5)
    await expect(page.locator("#notice")).to_be_hidden()
    assert await page.locator(".line a.tel").count() == 7
    await page.goto("/me")
    await expect(page.locator("#completed")).to_contain_text("暂时无法获取离校数据")
    await page.goto("/submit")
    await expect(page.locator("main")).to_contain_text("已经办好的事项不会丢失")


async def test_errors_speak_of_the_thing_and_the_remedy(scenes: SceneSetter, open_profile: Open) -> None:
    actor = await scenes.play(BY_NAME["case-card"])
    assert actor is not None
    page = await (await open_profile(PHONE, address=scenes.gateway.address, cookies=actor.cookies)).new_page()
    await page.goto("/no-such-page")
    await _is_kind(page, "页面不存在")
    await page.goto("/case/library/cancel-card")
    await page.evaluate("document.querySelector('main [name=csrf]').value = 'old'")
    await page.get_by_role("button", name="确认注销").click()
    await _is_kind(page, "操作未成功")
    await page.context.clear_cookies()  # a signed-in person is sent on to their page
    await page.goto("/sign-in/callback?code=1&state=2")
    await expect(page.get_by_role("heading", level=1)).to_have_text("登录未成功")
    await expect(page.get_by_role("link", name="统一身份认证登录")).to_be_visible()


async def _is_kind(page: Page, heading: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    main = await page.locator("main").inner_text()
    assert not re.search(r"error|exception|traceback|urn:|\b[45]\d\d\b", main, re.IGNORECASE)
    assert "313963892" in main
    await page.get_by_role("link", name="回到服务指南").click()
    await expect(page.get_by_role("link", name="我要办理")).to_be_visible()
