"""The whole way again where no script runs: forms, links, and a refresh in place of lines that turn."""

import re

import pytest
from playwright.async_api import Page, expect

from deploy.local.installation import Installation
from schemas.flows import GATEWAY
from tests.browser.conftest import Open
from tests.support.browser import journey_data
from tests.support.browser.chromium import PC, PHONE, Device
from tests.support.waiting import eventually


@pytest.mark.acceptance("S-004", "S-041", "S-090", "S-100")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_everything_works_without_scripts(installation: Installation, open_profile: Open, device: Device) -> None:
    person = await journey_data.student(installation, journey_data.ONLY_THE_CARD)
    page = await (await open_profile(device, address=installation.address(GATEWAY), scripts=False)).new_page()
    await page.goto("/")
    await page.get_by_role("link", name="我要办理").click()
    await journey_data.choose_person(page, person)
    await page.get_by_role("button", name="English").click()
    await page.get_by_role("button", name="切换为中文").click()
    await page.get_by_role("link", name="图书馆-图书借阅：注销").click()
    await page.get_by_role("button", name="确认注销").click()
    await _refreshed(page, "5 项全部通过")
    await page.get_by_role("link", name="提交离校服务").click()
    await page.get_by_role("button", name="确认提交").click()
    await _refreshed(page, "离校服务已提交，表单编号")
    number = await journey_data.is_done(page)
    await page.get_by_role("link", name="个人中心").click()
    await page.locator("#completed").get_by_role("link", name="查看").click()
    await expect(page.locator(".form-head .form-number").first).to_have_text(number)
    await expect(page.get_by_role("button", name="打印离校流程单")).to_be_hidden()
    await page.get_by_role("button", name="退出").click()
    await page.get_by_role("button", name="同时退出统一身份认证").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("已退出")
    await expect(page).to_have_url(re.compile("/signed-out.state=everywhere$"))


async def _refreshed(page: Page, words: str) -> None:
    """Press the refresh link until the summary says it."""

    async def says() -> bool:
        await page.get_by_role("link", name="刷新").click()
        await page.wait_for_load_state()
        return words in await page.locator("#summary-title").inner_text()

    await eventually(says, what=f"the page to say {words}", timeout_s=30)
