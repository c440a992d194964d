"""The guide page's pictures of the running system: `python -m tests.support.browser.manual_pictures [--only NAME]`.

Each is a part of a page, on a phone and on a PC, in both languages, in the folder of the university whose pages these
are.
The gateway names no picture that is not there: a new one is made first, and then named in `university.toml`.
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from playwright.async_api import Page

from services.gateway.image_size import size_of
from services.gateway.university import CONFIGURATIONS, PICTURES
from tests.support.browser.chromium import PC, PHONE, Device, Language, chromium, find_chromium
from tests.support.browser.scenes import BY_NAME
from tests.support.browser.screenshots import alone, captured, take

FOLDER: Final = CONFIGURATIONS / "cumt" / PICTURES
LANGUAGES: Final[tuple[Language, ...]] = ("zh-CN", "en-GB")
DEVICES: Final[tuple[tuple[Device, str], ...]] = ((PHONE, ""), (PC, "-pc"))
"""And what the names of its pictures end with."""
MOST_BYTES: Final = 25_000
QUALITY: Final = 35


@dataclass(frozen=True)
class Part:
    """From the top of the first selector to the foot of the second; on a phone over the whole width of the page."""

    name: str
    scene: str
    first: str
    last: str
    most: int = 700
    """Not higher than this many CSS pixels."""
    sharp: float = 1.5
    """Pixels of the picture for one of the page: legible on a phone, and light."""
    screen: int = 0
    """On a phone: all of a screen that is so many CSS pixels high, with what sticks to its foot."""


PARTS: Final = (
    Part("start", "guide", ".top", ".page-head", screen=330),
    Part("summary", "case-nearly", "#summary", "#summary"),
    Part("items", "case-nearly", "#items-title", "#library-thesis", sharp=1.4),
    Part("cancel-card", "case-card", "#library-borrowing", "#library-borrowing"),
    Part("submit", "case-clear", "#submit", "#submit"),
    Part("submit-confirm", "submit-confirm", ".message", ".message"),
    Part("completed", "me", "#completed", "#completed"),
    Part("form", "completed", ".form-head", ".form-head", sharp=0.9),
)


async def cut(page: Page, part: Part, device: Device) -> bytes:
    """The part of the page as WebP. On a PC without the margins of the page, at most a pixel for a pixel."""
    size = await page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
    if device is PHONE and part.screen:
        await page.set_viewport_size({"width": size[0], "height": part.screen})
        clip = {"x": 0, "y": 0, "width": size[0], "height": part.screen, "scale": part.sharp}
        return await captured(page, "webp", clip, QUALITY)
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    first, last = [await page.locator(selector).first.bounding_box() for selector in (part.first, part.last)]
    assert first is not None, f"{part.name}: {part.first} is not shown"
    assert last is not None, f"{part.name}: {part.last} is not shown"
    top, foot = max(0.0, first["y"] - 8), min(last["y"] + last["height"] + 8, first["y"] + part.most)
    clip = {"x": 0, "y": top, "width": size[0], "height": foot - top, "scale": part.sharp}
    if device is PC:
        sheet = await page.locator("main").bounding_box()
        assert sheet is not None
        clip |= {"x": sheet["x"], "width": sheet["width"], "scale": min(1.0, part.sharp)}
    return await captured(page, "webp", clip, QUALITY)


async def make(parts: Sequence[Part]) -> None:
    program = find_chromium()
    if program is None:
        raise SystemExit("No Chromium: apt install chromium-headless-shell, or set LIXIAO_CHROMIUM.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with alone() as scenes, chromium(program) as browser:
        for part in parts:
            for language, (device, ending) in product(LANGUAGES, DEVICES):
                page = await take(browser, scenes, (BY_NAME[part.scene], device, "light", language))
                body = await cut(page, part, device)
                await page.context.close()
                name = f"{part.name}-{language[:2]}{ending}.webp"
                if len(body) > MOST_BYTES:
                    raise SystemExit(f"{name} is {len(body)} bytes, more than {MOST_BYTES}: cut less of the page.")
                (FOLDER / name).write_bytes(body)
                width, height = size_of(body)
                print(f"{name}: {width} × {height}, {len(body)} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description="The pictures of the manual.")
    names = sorted(part.name for part in PARTS)
    parser.add_argument("--only", action="append", choices=names, help="this picture; may be repeated")
    asked = parser.parse_args()
    asyncio.run(make([part for part in PARTS if not asked.only or part.name in asked.only]))


if __name__ == "__main__":
    main()
