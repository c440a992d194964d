"""A student's page about notices, on a phone and a PC, in both languages, with and without scripts."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser import axe
from tests.support.browser.chromium import PC, PHONE, Device, Language, sideways
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.gateway.visits import PEOPLE
from tests.support.notices.served import served_notices
from tests.support.servers.fixtures import DatabaseMaker

LEAST_PX = 44
_free = iter(PEOPLE)


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    contacts_database = await make_database("notices")
    with (
        served_notices(contacts_database) as contacts,
        running_gateway(database, read_model, PEOPLE, notices=contacts) as running,
    ):
        yield running


async def looked_at(page: Page, name: str) -> None:
    """No fault, nothing sideways."""
    if folder := os.environ.get("LOOK"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    assert await axe.violations(page) == []
    assert await sideways(page) == 0


@pytest.mark.acceptance("N-001")
@pytest.mark.parametrize(("device", "language"), [(PHONE, "zh-CN"), (PC, "en-GB")], ids=str)
async def test_a_student_is_told_what_is_wrong_gives_an_address_and_finds_it_kept(
    gateway: RunningGateway, open_profile: Open, device: Device, language: Language
) -> None:
    visitor = BrowserClient(gateway, language)
    await visitor.sign_in(next(_free))
    context = await open_profile(device, address=gateway.address, cookies=visitor.cookies, language=language)
    page = await context.new_page()
    zh = language == "zh-CN"
    await page.goto("/me")
    await looked_at(page, f"me-{device}-{language}")
    await page.get_by_role("link", name="通知设置" if zh else "Notices", exact=True).click()
    await expect(page).to_have_url(f"{gateway.address}/me/notices")
    await looked_at(page, f"notices-{device}-{language}")
    for target in await page.locator("main button, main a.button, main input:not([type=hidden]), .choice").all():
        box = await target.bounding_box()
        assert box is not None
        if await target.get_attribute("type") not in ("checkbox", "radio"):
            assert box["height"] >= LEAST_PX - 1
    await page.get_by_label("邮箱" if zh else "Mail address").fill("nonsense")
    await page.get_by_role("button", name="保存" if zh else "Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("name@example.edu")
    await looked_at(page, f"wrong-{device}-{language}")
    await page.get_by_label("邮箱" if zh else "Mail address").fill("own@example.edu")
    await page.get_by_role("radio", name="English").check()
    await page.get_by_role("button", name="保存" if zh else "Save").click()
    await expect(page.get_by_role("status")).to_have_text("已保存。" if zh else "Saved.")
    await expect(page.get_by_label("邮箱" if zh else "Mail address")).to_have_value("own@example.edu")
    await expect(page.get_by_role("radio", name="English")).to_be_checked()
    await looked_at(page, f"saved-{device}-{language}")
    context = await open_profile(
        device, address=gateway.address, cookies=visitor.cookies, language=language, scripts=False
    )
    page = await context.new_page()
    await page.goto("/me/notices")
    await page.get_by_label("邮件" if zh else "Mail", exact=True).uncheck()
    await page.get_by_role("button", name="保存" if zh else "Save").click()
    await expect(page.get_by_role("status")).to_have_text("已保存。" if zh else "Saved.")
    await expect(page.get_by_label("邮件" if zh else "Mail", exact=True)).not_to_be_checked()
    await visitor.close()
