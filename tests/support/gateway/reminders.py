"""The forms of a reminder, as a browser without scripts sends them."""

import html
import re

from tests.support.gateway.server import BrowserClient

_FORM = re.compile(r"<form[^>]*?action=\"([^\"]*/remind)\"[^>]*>(.*?)</form>", re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


async def csrf_of(browser: BrowserClient, address: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', (await browser.get(address)).text)
    assert found is not None
    return found[1]


def form_of(page: str) -> tuple[str, list[tuple[str, str]]]:
    """Of the button that sends."""
    address, content = next(each for each in _FORM.findall(page) if 'name="seen"' in each[1])
    return address, [(name, html.unescape(value)) for name, value in _HIDDEN.findall(content)]


def fields_of(fields: list[tuple[str, str]]) -> dict[str, str | list[str]]:
    single = {name: value for name, value in fields if name != "pick"}
    picked = [value for name, value in fields if name == "pick"]
    return {**single, "pick": picked} if picked else {**single}
