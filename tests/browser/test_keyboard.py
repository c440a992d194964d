"""The whole way by keyboard alone: everything is reached, nothing holds one fast, and the focus is always seen."""

import re

from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.support.browser.chromium import PC
from tests.support.browser.scene_setter import SceneSetter
from tests.support.browser.scenes import BY_NAME
from tests.support.browser.student_states import clear, say
from tests.support.samples import case_samples

STOPS_MOST = 80


async def test_one_goes_from_the_guide_to_the_submission_without_a_mouse(
    scenes: SceneSetter, open_profile: Open
) -> None:
    actor = await scenes.actor()
    await clear(scenes, actor)
    page = await (await open_profile(PC, address=scenes.gateway.address, cookies=actor.cookies)).new_page()
    await page.goto("/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    await expect(page.get_by_role("link", name="跳到正文")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await _tab_to(page, "我要办理")
    await _enter(page, "/case$")
    await _tab_to(page, "数据更新于")
    await page.keyboard.press("Enter")
    await expect(page.locator("#library-borrowing .exact")).to_be_visible()
    await _tab_to(page, "提交离校服务")
    await _enter(page, "/submit$")
    await _tab_to(page, "返回")
    await page.keyboard.press("Shift+Tab")
    assert await _focused(page) == "确认提交"
    await page.keyboard.press("Enter")
    await expect(page.locator("#summary-title")).to_have_text("已提交，正在请各部门确认")


async def test_the_completed_form_is_reached_and_its_print_button_pressed(
    scenes: SceneSetter, open_profile: Open
) -> None:
    actor = await scenes.play(BY_NAME["completed"])
    assert actor is not None
    page = await (await open_profile(PC, address=scenes.gateway.address, cookies=actor.cookies)).new_page()
    await page.add_init_script("window.print = () => { document.title = 'printed'; };")
    await page.goto("/me")
    await _tab_to(page, "查看")
    await _enter(page, "/completed$")
    await _tab_to(page, "打印离校流程单")
    await page.keyboard.press("Enter")
    await expect(page).to_have_title("printed")


async def test_a_line_that_turns_takes_the_focus_from_nobody(scenes: SceneSetter, open_profile: Open) -> None:
    actor = await scenes.actor()
    await clear(scenes, actor)
    page = await (await open_profile(PC, address=scenes.gateway.address, cookies=actor.cookies)).new_page()
    await page.goto("/case")
    fresh = page.locator("#library-borrowing .fresh summary")
    await fresh.focus()
    await page.keyboard.press("Enter")
    await say(scenes, actor, {"library": case_samples.blocked().statuses["library"]}, version=4)
    await scenes.clearance.notify()
    await expect(page.locator("#library-borrowing .verdict")).to_have_text("未通过")
    await scenes.clearance.all_clear_library(actor.student_id, 5)
    await scenes.clearance.notify()
    await expect(page.locator("#library-borrowing .verdict")).to_have_text("通过")
    inside = "document.activeElement.closest('#library-borrowing') !== null"
    assert await page.evaluate(inside), "whoever reads a line stays at that line"


async def _enter(page: Page, address: str) -> None:
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(address))


async def _focused(page: Page) -> str:
    return str(await page.evaluate("document.activeElement.innerText.trim()"))


async def _tab_to(page: Page, words: str) -> None:
    """Press Tab until what has the focus begins with `words`; at each stop the focus must be seen."""
    for _ in range(STOPS_MOST):
        await page.keyboard.press("Tab")
        seen = await page.evaluate(
            """() => {
                const one = document.activeElement, style = getComputedStyle(one), place = one.getBoundingClientRect();
                return one === document.body || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
                    && place.width > 0 && place.bottom > 0 && place.top < innerHeight);
            }"""
        )
        assert seen, f"the focus is not seen at {await _focused(page)!r}"
        if (await _focused(page)).startswith(words):
            return
    raise AssertionError(f"{words} is not reached in {STOPS_MOST} stops")
