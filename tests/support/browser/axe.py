"""The accessibility checker axe-core inside a page. Its file comes with a wheel; nothing is loaded from elsewhere."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from playwright.async_api import Page

TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""WCAG 2.2 AA with all it rests on, and axe's own good practice."""

OF_COLOUR: Final = ("color-contrast", "link-in-text-block")
"""The rules whose outcome another scheme can change."""


@cache
def source() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


async def violations(page: Page, *, rules: Sequence[str] = ()) -> list[str]:
    """What axe finds wrong in the page as it is shown now: `rule: help: element`, one a broken element.

    All rules of `TAGS`, or those named.
    """
    # At the foot of the page a bar that sticks lies where it belongs, and over nothing.
    await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": list(TAGS)}
    # Evaluated by the debugger, so the page's own policy about scripts stays as it is.
    await page.evaluate(source())
    found: list[dict[str, Any]] = await page.evaluate(
        "async only => (await axe.run(document, {runOnly: only, resultTypes: ['violations']})).violations", only
    )
    return [f"{one['id']}: {one['help']}: {node['html'][:160]}" for one in found for node in one["nodes"]]
