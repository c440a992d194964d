"""Pictures of every page and state: `python -m tests.support.browser.screenshots [--everything] [--only NAME] [--png]`.

Without options those of docs/screenshots: phone and PC, light, Chinese, with a few in dark and in English.
`--everything` adds the tablet and every combination, and writes into .lixiao/screenshots.
"""

import argparse
import asyncio
import base64
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page

from deploy.local.processes.state_folder import claim_any
from deploy.local.servers.postgres import Postgres, create_database, drop_database
from deploy.local.servers.server import obtain
from services.gateway.tables.shared_limits import SharedLimit
from services.gateway.web import verification_limits
from tests.support.browser.chromium import (
    PC,
    PHONE,
    TABLET,
    Device,
    Language,
    Scheme,
    chromium,
    find_chromium,
    open_context,
)
from tests.support.browser.scene_setter import Scene, SceneSetter, scene_setter
from tests.support.browser.scenes import BY_NAME, SCENES
from tests.support.paths import ROOT
from tests.support.servers.fixtures import DatabaseMaker

KEPT: Final = ROOT / "docs" / "screenshots"
ALL: Final = ROOT / ".lixiao" / "screenshots"
QUALITY: Final = 55
Shot = tuple[Scene, Device, Scheme, Language]
OTHERWISE: Final = ("guide", "case-blocked", "case-clear", "completed")
"""Scenes kept in dark and in English too."""


def kept() -> Iterator[Shot]:
    """The pictures that live in the repository."""
    for scene, device in product(SCENES, (PHONE, PC)):
        yield scene, device, "light", "zh-CN"
    for name in OTHERWISE:
        yield BY_NAME[name], PHONE, "dark", "zh-CN"
        yield BY_NAME[name], PC, "light", "en-GB"


def everything() -> Iterator[Shot]:
    """Every combination."""
    schemes: tuple[Scheme, ...] = ("light", "dark")
    languages: tuple[Language, ...] = ("zh-CN", "en-GB")
    yield from product(SCENES, (PHONE, TABLET, PC), schemes, languages)


def name_of(shot: Shot) -> str:
    scene, device, scheme, language = shot
    return "-".join([scene.name, device.name, *(["dark"] if scheme == "dark" else []), language[:2]])


async def take(browser: Browser, scenes: SceneSetter, shot: Shot) -> Page:
    """A page that shows the shot. Its context is the caller's to close."""
    scene, device, scheme, language = shot
    actor = await scenes.play(scene)
    cookies = actor.cookies if actor else {}
    context = await open_context(
        browser, device, address=scenes.address(scene), cookies=cookies, scheme=scheme, language=language
    )
    page = await context.new_page()
    await scenes.show(scene, page)
    return page


async def picture(page: Page, kind: str) -> bytes:
    """The whole page as `webp` or `png`, in a window so tall that the bar at its foot lies where the page ends."""
    debugger = await page.context.new_cdp_session(page)
    size = (await debugger.send("Page.getLayoutMetrics"))["cssContentSize"]
    await page.set_viewport_size({"width": size["width"], "height": size["height"]})
    clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
    return await captured(page, kind, clip)


async def captured(page: Page, kind: str, clip: dict[str, float], quality: int = QUALITY) -> bytes:
    """The `clip` of the page, in CSS pixels of the page, as `webp` of this quality or as `png`."""
    debugger = await page.context.new_cdp_session(page)
    options = {"format": kind, "clip": clip, "captureBeyondViewport": True}
    if kind == "webp":
        options["quality"] = quality
    return base64.b64decode((await debugger.send("Page.captureScreenshot", options))["data"])


@asynccontextmanager
async def alone() -> AsyncIterator[SceneSetter]:
    """Scenes outside of the tests, on a PostgreSQL of its own or the one LIXIAO_POSTGRES names."""
    # These gateways have no broker, and would say so all the time.
    logging.disable(logging.CRITICAL)
    with claim_any(ROOT / ".lixiao" / "screenshots-state") as state:
        postgres = obtain(Postgres(state.folder, durable=False))
        made: list[str] = []

        async def make(name: str) -> str:
            made.append(f"{name}_{secrets.token_hex(4)}")
            return await create_database(postgres.address, made[-1])

        maker: DatabaseMaker = make
        try:
            async with scene_setter(maker) as scenes:
                yield scenes
        finally:
            for name in made:
                await drop_database(postgres.address, name)
            postgres.stop()


async def write(shots: list[Shot], folder: Path, kind: str) -> None:
    program = find_chromium()
    if program is None:
        raise SystemExit("No Chromium: apt install chromium-headless-shell, or set LIXIAO_CHROMIUM.")
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    # One browser checks the forms of everybody here; a public address may check twenty and then waits.
    verification_limits.ADDRESS = verification_limits.NUMBER = SharedLimit("pictures", 10_000.0, 10_000.0)
    async with alone() as scenes, chromium(program) as browser:
        for shot in shots:
            page = await take(browser, scenes, shot)
            body = await picture(page, kind)
            (folder / f"{name_of(shot)}.{kind}").write_bytes(body)
            await page.context.close()
            total += len(body)
    print(f"{len(shots)} pictures, {total / 1e6:.1f} MB, in {folder.relative_to(ROOT)}/")


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of every page and state.")
    parser.add_argument("--everything", action="store_true", help="every width, scheme and language")
    parser.add_argument("--only", action="append", choices=sorted(BY_NAME), help="this scene; may be repeated")
    parser.add_argument("--png", action="store_true", help="PNG instead of WebP")
    asked = parser.parse_args()
    chosen = everything() if asked.everything else kept()
    shots = [shot for shot in chosen if not asked.only or shot[0].name in asked.only]
    folder = ALL if asked.everything or asked.only or asked.png else KEPT
    asyncio.run(write(shots, folder, "png" if asked.png else "webp"))


if __name__ == "__main__":
    main()
