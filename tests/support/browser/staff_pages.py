"""The staff's pages in a browser: signed in, looked at, and typed into as a scanner does."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from playwright.async_api import BrowserContext, Page, expect

from deploy.local.identity.people import Person
from services.gateway.web.cookies import LANGUAGE_COOKIE
from tests.support.browser.axe import violations
from tests.support.browser.chromium import Device, sideways
from tests.support.gateway.server import BrowserClient, RunningGateway

SHOTS: Final = os.environ.get("LIXIAO_STAFF_SHOTS")
"""A folder for screenshots of what is looked at."""


async def signed_in(
    gateway: RunningGateway,
    open_profile: Callable[..., Awaitable[BrowserContext]],
    device: Device,
    person: Person,
    place: str,
    *,
    language: str = "zh",
    scripts: bool = True,
    address: str = "",
) -> Page:
    """At `address`, by default `/<place>`. `place`: where signing in leads."""
    signing_in = BrowserClient(gateway)
    await signing_in.sign_in(person, place=place)
    await signing_in.close()
    cookies = {**signing_in.cookies, LANGUAGE_COOKIE: language}
    context = await open_profile(device, address=gateway.address, cookies=cookies, scripts=scripts)
    page = await context.new_page()
    await page.goto(address or f"/{place}")
    return page


async def looked_at(page: Page, name: str, device: Device) -> None:
    """No rule of accessibility broken, nothing cut off at the side."""
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"{name}-{device}.png", full_page=True)
    assert await violations(page) == []
    assert await sideways(page) == 0


async def scan(page: Page, text: str, into: str = "#q") -> None:
    """A scanner is a keyboard: it types into whatever has the focus, and presses Enter."""
    await expect(page.locator(into)).to_be_focused()
    await page.keyboard.insert_text(text)
    await page.keyboard.press("Enter")
