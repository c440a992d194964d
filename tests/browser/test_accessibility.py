"""No page in any state breaks WCAG 2.2 AA, on either device, in either scheme; nothing needs scrolling sideways."""

import pytest

from deploy.local.identity.people import Person
from tests.browser import axe
from tests.browser.browsers import PC, PHONE, Device, sideways
from tests.browser.conftest import Open
from tests.browser.stage import BY_NAME, SCENES, Scene, Stage


@pytest.mark.parametrize("scene", SCENES, ids=str)
async def test_every_page_and_state_is_accessible_and_fits_its_window(
    stage: Stage, open_profile: Open, scene: Scene
) -> None:
    actor = await stage.play(scene)
    cookies = actor.cookies if actor else {}
    wrong: list[str] = []
    for device in (PHONE, PC):
        context = await open_profile(device, address=stage.address(scene), cookies=cookies)
        page = await context.new_page()
        answer = await page.goto(scene.address)
        assert answer is not None
        assert answer.status == scene.status
        for details in await page.locator("details > summary").all():
            await details.click()
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            wrong += [f"{device} {scheme}: {one}" for one in await axe.violations(page)]
        assert await sideways(page) == 0
        await context.close()
    assert wrong == []
