"""A check that the student does not need: grey, in words, with what the department says, on a phone and on a PC."""

import pytest
from playwright.async_api import Page

from services.gateway.web.cookies import LANGUAGE_COOKIE
from tests.browser.conftest import Open
from tests.support.browser.axe import violations
from tests.support.browser.chromium import PC, PHONE, Device, sideways
from tests.support.browser.scene_setter import SceneSetter
from tests.support.browser.scenes import BY_NAME

WORDS = {
    "zh": {
        "#library-thesis": ("无需办理", "无需办理：涉密论文，由导师归档（有效期至2026年12月31日）"),
        "#finance-arrears": ("特批放行", "特批放行：已核对缴费凭证（有效期至2026年7月1日）"),
        "#summary": ("3 项已通过，2 项无需办理",),
        "#submit": ("全部事项均已通过或无需办理",),
    },
    "en": {
        "#library-thesis": ("Not needed", "Not needed: 涉密论文，由导师归档 (until 31 December 2026)"),
        "#finance-arrears": ("Released", "Released: 已核对缴费凭证 (until 1 July 2026)"),
        "#summary": ("3 passed, 2 not needed",),
        "#submit": ("Every item has passed or is not needed",),
    },
}


async def opened(scenes: SceneSetter, open_profile: Open, device: Device, scene: str, language: str = "zh") -> Page:
    actor = await scenes.play(BY_NAME[scene])
    assert actor is not None
    cookies = {**actor.cookies, LANGUAGE_COOKIE: language}
    context = await open_profile(device, address=scenes.address(BY_NAME[scene]), cookies=cookies)
    page = await context.new_page()
    await scenes.show(BY_NAME[scene], page)
    return page


@pytest.mark.acceptance("S-039")
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_page_says_what_is_not_needed_why_and_until_when(
    scenes: SceneSetter, open_profile: Open, device: Device, language: str
) -> None:
    page = await opened(scenes, open_profile, device, "case-waived", language)
    for place, sentences in WORDS[language].items():
        shown = await page.locator(place).inner_text()
        for sentence in sentences:
            assert sentence in shown, (place, shown)
    assert "682.40" in await page.locator("#finance-arrears").inner_text(), "what the department says stays visible"
    grey, green = [
        await page.locator(f"{line} .verdict").evaluate("one => getComputedStyle(one).backgroundColor")
        for line in ("#library-thesis", "#library-borrowing")
    ]
    assert grey != green
    assert await page.locator("#submit a.button[aria-disabled]").count() == 0
    assert await violations(page) == []
    assert await sideways(page) == 0


@pytest.mark.acceptance("S-039")
async def test_the_form_says_what_was_not_needed(scenes: SceneSetter, open_profile: Open) -> None:
    page = await opened(scenes, open_profile, PC, "completed-waived")
    assert await page.locator(".line.waived .line-body > p:first-child").all_inner_texts() == [
        "无需办理：涉密论文，由导师归档（有效期至2026年12月31日）",
        "特批放行：已核对缴费凭证（有效期至2026年7月1日）",
    ]


@pytest.mark.acceptance("S-039")
async def test_the_certificate_desk_sees_what_was_not_needed_on_a_genuine_form(
    scenes: SceneSetter, open_profile: Open
) -> None:
    page = await opened(scenes, open_profile, PC, "desk-waived")
    assert "真实有效" in await page.locator(".checked-verdict").inner_text()
    assert "涉密论文，由导师归档" in await page.locator(".line.waived .note").first.inner_text()
    assert await violations(page) == []
