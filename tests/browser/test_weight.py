"""A first visit on a phone is light, loads no font, and nothing jumps while it comes or while a line turns."""

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser.chromium import PHONE, open_context
from tests.support.browser.measure import WATCH, visit
from tests.support.browser.scene_setter import SceneSetter
from tests.support.browser.scenes import BY_NAME
from tests.support.browser.student_states import blocked, say
from tests.support.samples import case_samples

MOST_BYTES = 50_000


@pytest.mark.parametrize("name", ["guide", "case-blocked", "case-clear", "completed", "me"])
async def test_a_first_visit_is_light_loads_no_font_and_nothing_jumps(
    scenes: SceneSetter, browser: Browser, name: str
) -> None:
    seen = await visit(browser, scenes, BY_NAME[name], slower=1)
    assert 0 < seen.wire_bytes < MOST_BYTES
    assert seen.font_bytes == 0
    assert seen.shift == 0


async def test_nothing_above_or_in_place_moves_when_a_line_turns(scenes: SceneSetter, browser: Browser) -> None:
    actor = await scenes.actor()
    await blocked(scenes, actor)
    context = await open_context(browser, PHONE, address=scenes.gateway.address, cookies=actor.cookies)
    page = await context.new_page()
    await page.add_init_script(WATCH)
    await page.goto("/case")
    line = page.locator("#finance-arrears")
    await line.scroll_into_view_if_needed()
    top = await line.evaluate("one => one.getBoundingClientRect().top")
    await say(scenes, actor, {"library": case_samples.library()}, version=4)
    await scenes.clearance.notify()
    await expect(page.locator("#library-borrowing .verdict")).to_have_text("通过")
    assert await line.evaluate("one => one.getBoundingClientRect().top") == pytest.approx(top, abs=1), (
        "what one reads stays under the eye when a line above becomes shorter"
    )
    await context.close()
