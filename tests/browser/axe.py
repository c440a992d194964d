"""The accessibility checker axe-core inside a page. Its file comes with a wheel; nothing is loaded from elsewhere."""

from functools import cache
from importlib.resources import files
from typing import Any, Final

from playwright.async_api import Page

TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""WCAG 2.2 AA with all it rests on, and axe's own good practice."""


@cache
def source() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


async def violations(page: Page) -> list[str]:
    """What axe finds wrong in the page as it is shown now: `rule: help: element`, one a broken element."""
    # Evaluated by the debugger, so the page's own policy about scripts stays as it is.
    await page.evaluate(source())
    found: list[dict[str, Any]] = await page.evaluate(
        "async tags => (await axe.run(document, {runOnly: tags, resultTypes: ['violations']})).violations", list(TAGS)
    )
    return [f"{one['id']}: {one['help']}: {node['html'][:160]}" for one in found for node in one["nodes"]]
