"""No page in any state breaks WCAG 2.2 AA on a phone, a tablet or a PC, in either scheme; none scrolls sideways."""

import pytest

from tests.browser.conftest import Open
from tests.support.browser import axe
from tests.support.browser.chromium import PC, PHONE, TABLET, sideways
from tests.support.browser.scene_setter import Scene, SceneSetter
from tests.support.browser.scenes import SCENES


@pytest.mark.parametrize("scene", SCENES, ids=str)
async def test_every_page_and_state_is_accessible_and_fits_its_window(
    scenes: SceneSetter, open_profile: Open, scene: Scene
) -> None:
    actor = await scenes.play(scene)
    cookies = actor.cookies if actor else {}
    wrong: list[str] = []
    for device in (PHONE, TABLET, PC):
        context = await open_profile(device, address=scenes.address(scene), cookies=cookies)
        page = await context.new_page()
        await scenes.show(scene, page)
        for details in await page.locator("details > summary:visible").all():
            await details.click()
        wrong += [f"{device} light: {one}" for one in await axe.violations(page)]
        # A tablet has the colours of a PC, and a layout of its own.
        if device is not TABLET:
            await page.emulate_media(color_scheme="dark")
            wrong += [f"{device} dark: {one}" for one in await axe.violations(page, rules=axe.OF_COLOUR)]
        assert await sideways(page) == 0
        await context.close()
    assert wrong == []


async def test_the_checker_sees_what_is_wrong(scenes: SceneSetter, open_profile: Open) -> None:
    page = await (await open_profile(PHONE, address=scenes.gateway.address)).new_page()
    await page.goto("/")
    await page.evaluate(
        """() => {
            const main = document.querySelector("main");
            main.append(document.createElement("input"), document.createElement("img"));
            main.lastChild.src = "/favicon.ico";
            main.firstElementChild.style.color = "#999";
            main.querySelector("h1").style.color = "#bbb";
            document.documentElement.removeAttribute("lang");
        }"""
    )
    found = {one.split(":")[0] for one in await axe.violations(page)}
    assert {"label", "image-alt", "color-contrast", "html-has-lang"} <= found


async def test_the_identity_providers_page_is_accessible_too(scenes: SceneSetter, open_profile: Open) -> None:
    page = await (await open_profile(PHONE, address=scenes.gateway.address)).new_page()
    await page.goto("/sign-in")
    assert await axe.violations(page) == []
    assert await sideways(page) == 0
