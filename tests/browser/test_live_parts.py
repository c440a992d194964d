"""An open page becomes what a reload would show, whichever parts came, went or changed in between."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.gateway.case.live.hub import MAX_PER_SESSION
from tests.browser.conftest import Open
from tests.support.browser.chromium import PC, PHONE, Device
from tests.support.browser.journey_data import LONG_MS
from tests.support.browser.scene_setter import SceneSetter, Visitor, connected
from tests.support.samples import case_samples

CARD = Reason(code="card-not-cancelled")
IN_REVIEW = Reason(code="thesis-in-review")


async def clear_case(scenes: SceneSetter) -> Visitor:
    actor = await scenes.actor()
    await scenes.clearance.put_case(actor.student_id)
    await scenes.clearance.all_clear(actor.student_id)
    return actor


async def opened(scenes: SceneSetter, open_profile: Open, device: Device, actor: Visitor) -> Page:
    page = await (await open_profile(device, address=scenes.gateway.address, cookies=actor.cookies)).new_page()
    await page.goto("/case")
    return page


async def test_a_line_that_comes_as_another_goes_takes_its_place(scenes: SceneSetter, open_profile: Open) -> None:
    actor, former = await clear_case(scenes), new_student_id()
    await scenes.clearance.join(actor.student_id, former)
    await scenes.clearance.all_clear(former)
    card, no_card = (case_samples.check("borrowing", case_samples.CARD_ACTIVE, *why) for why in ((CARD,), ()))
    thesis, no_thesis = (case_samples.check("thesis", {"thesis": "in-review"}, *why) for why in ((IN_REVIEW,), ()))
    await scenes.clearance.put_status(former, "library", [card, no_thesis], version=2)
    page = await opened(scenes, open_profile, PC, actor)
    await expect(page.locator("#former-1-library-borrowing .verdict")).to_have_text("未通过")
    await scenes.clearance.put_status(former, "library", [no_card, thesis], version=3)
    await expect(page.locator("#former-1-library-thesis .verdict")).to_have_text("未通过", timeout=LONG_MS)
    await expect(page.locator("#former-1-library-borrowing")).to_have_count(0)


@pytest.mark.parametrize(("device", "basics"), [(PC, ".basics-box"), (PHONE, ".basics-fold")], ids=str)
async def test_a_name_that_is_corrected_on_the_roster_is_corrected_on_the_open_page(
    scenes: SceneSetter, open_profile: Open, device: Device, basics: str
) -> None:
    actor = await clear_case(scenes)
    page = await opened(scenes, open_profile, device, actor)
    if device is PHONE:
        await page.locator(".basics-fold summary").click()
    async with connected(scenes.gateway.read_model) as connection:
        await connection.execute("UPDATE student_case SET name = '沈小山' WHERE student_id = $1", actor.student_id)
    await expect(page.locator(basics)).to_contain_text("沈小山", timeout=LONG_MS)
    await expect(page.locator(f"{basics} dl")).to_be_visible()


async def test_a_page_that_was_opened_while_nothing_could_be_read_has_the_basics_afterwards(
    scenes: SceneSetter, open_profile: Open
) -> None:
    actor = await clear_case(scenes)
    async with connected(scenes.gateway.read_model) as connection:
        await connection.execute("ALTER SCHEMA published RENAME TO away")
        try:
            page = await opened(scenes, open_profile, PC, actor)
            await expect(page.locator("#summary-title")).to_contain_text("暂时无法获取离校数据")
            await expect(page.locator(".applied")).to_be_hidden()
        finally:
            await connection.execute("ALTER SCHEMA away RENAME TO published")
    await expect(page.locator("#summary-title")).to_have_text("5 项全部通过", timeout=LONG_MS)
    await expect(page.locator(".basics-box")).to_contain_text(actor.student_id)
    await expect(page.locator(".applied")).to_be_visible()
    date = await page.locator(".applied").inner_text()
    await page.reload()
    await expect(page.locator(".applied")).to_have_text(date)


async def test_of_many_open_pages_those_looked_at_last_are_updated_and_the_others_say_that_they_pause(
    scenes: SceneSetter, open_profile: Open
) -> None:
    actor = await clear_case(scenes)
    profile = await open_profile(PC, address=scenes.gateway.address, cookies=actor.cookies)
    # Playwright has every page focused.
    await profile.add_init_script("document.hasFocus = () => false")
    pages = [await profile.new_page() for _ in range(MAX_PER_SESSION + 1)]
    for page in pages:
        async with page.expect_response("**/case/live"):
            await page.goto("/case")
    first, last = pages[0], pages[-1]
    await expect(first.locator("#notice")).to_contain_text("此页已暂停更新，切换回来后继续。以下为")
    await scenes.clearance.put_status(
        actor.student_id, "library", [case_samples.check("borrowing", case_samples.CARD_ACTIVE, CARD)], version=9
    )
    await expect(last.locator("#library-borrowing .verdict")).to_have_text("未通过", timeout=LONG_MS)
    await expect(first.locator("#library-borrowing .verdict")).to_have_text("通过")
    await first.evaluate("window.dispatchEvent(new Event('focus'))")
    await expect(first.locator("#library-borrowing .verdict")).to_have_text("未通过", timeout=LONG_MS)
    await expect(first.locator("#notice")).to_be_hidden()
    await expect(last.locator("#notice")).to_be_hidden()


async def test_the_time_of_what_is_shown_is_that_on_campus_as_all_others(
    scenes: SceneSetter, open_profile: Open
) -> None:
    actor = await clear_case(scenes)
    address, cookies = scenes.gateway.address, actor.cookies
    profile = await open_profile(PC, address=address, cookies=cookies, timezone_id="America/New_York")
    page = await profile.new_page()
    await page.route("**/case/live", lambda route: route.abort())
    now = datetime.now(UTC) + timedelta(hours=8)
    await page.goto("/case")
    known = "|".join(f"{now + timedelta(minutes=minutes):%H:%M}" for minutes in range(2))
    await expect(page.locator("#notice")).to_have_text(re.compile(f"连接中断，正在重新连接。以下为 ({known}) 的内容。"))
