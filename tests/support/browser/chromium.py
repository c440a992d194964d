"""A real Chromium without a window, and the devices it plays: one phone, one PC, in two languages and two schemes."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

PROGRAMS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS: Final = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--font-render-hinting=none",
)
TIMEOUT_MS: Final = 15_000
Language = Literal["zh-CN", "en-GB"]
Scheme = Literal["light", "dark"]


@dataclass(frozen=True)
class Device:
    """A screen. A phone touches, and takes the width the page asks for."""

    name: str
    width: int
    height: int
    touch: bool = False

    def __str__(self) -> str:
        return self.name

    def options(self) -> dict[str, Any]:
        """What Playwright calls these."""
        size = {"width": self.width, "height": self.height}
        return {"viewport": size, "screen": size, "has_touch": self.touch, "is_mobile": self.touch}


PHONE: Final = Device("phone", 390, 844, touch=True)
TABLET: Final = Device("tablet", 768, 1024, touch=True)
PC: Final = Device("pc", 1280, 900)


def find_chromium() -> str | None:
    """The program: LIXIAO_CHROMIUM, else the first of the usual names that is installed."""
    named = os.environ.get("LIXIAO_CHROMIUM")
    return named or next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@asynccontextmanager
async def chromium(program: str) -> AsyncIterator[Browser]:
    """The browser for the length of a `with`. Chromium's own sandbox does not work for root."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=ARGUMENTS, chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield browser
        finally:
            await browser.close()


async def open_context(
    browser: Browser,
    device: Device,
    *,
    address: str,
    cookies: dict[str, str] | None = None,
    language: Language = "zh-CN",
    scheme: Scheme = "light",
    scripts: bool = True,
    **more: Any,
) -> BrowserContext:
    """A browser profile of its own on `device`, at home at `address`, holding these cookies."""
    context = await browser.new_context(
        base_url=address, locale=language, color_scheme=scheme, java_script_enabled=scripts, **device.options(), **more
    )
    context.set_default_timeout(TIMEOUT_MS)
    for name, value in (cookies or {}).items():
        await context.add_cookies(
            [{"name": name, "value": value, "domain": "127.0.0.1", "path": "/", "secure": True, "httpOnly": True}]
        )
    return context


async def box(page: Page, selector: str) -> dict[str, float]:
    """Where the first match stands in the window: x, y, width, height, right, bottom, in CSS pixels."""
    found = await page.locator(selector).first.bounding_box()
    assert found is not None, f"{selector} is not shown"
    x, y, width, height = found["x"], found["y"], found["width"], found["height"]
    return {"x": x, "y": y, "width": width, "height": height, "right": x + width, "bottom": y + height}


async def sideways(page: Page) -> float:
    """How many CSS pixels the page is wider than its window: 0 unless one must scroll sideways."""
    wider: float = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider
