"""How heavy and how quick the pages are on a phone: `python -m tests.support.browser.measure`.

First visits with an empty cache at 390 px on a processor four times slower: bytes over the wire, first contentful
paint, layout shift, and the time from a press to the next frame. Medians of several visits.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from playwright.async_api import Browser, CDPSession, Page

from tests.support.browser.chromium import PHONE, chromium, find_chromium, open_context
from tests.support.browser.scene_setter import Scene, SceneSetter
from tests.support.browser.scenes import BY_NAME
from tests.support.browser.screenshots import alone
from tests.support.waiting import eventually

VISITS: Final = 5
SLOWER: Final = 4
SCENES: Final = ("guide", "case-blocked", "case-clear", "submit-confirm", "completed", "me")
PRESSED: Final = {"guide": ".question summary", "case-blocked": ".fresh summary", "case-clear": ".fresh summary"}
"""What is pressed on a page to see how soon it answers."""
WATCH: Final = """
window.shifts = 0; window.slowest = 0;
new PerformanceObserver(list => list.getEntries().forEach(one => { if (!one.hadRecentInput) shifts += one.value; }))
    .observe({type: "layout-shift", buffered: true});
new PerformanceObserver(list => list.getEntries().forEach(one => { slowest = Math.max(slowest, one.duration); }))
    .observe({type: "event", durationThreshold: 16, buffered: true});
"""


@dataclass(frozen=True)
class Visit:
    """A first visit. `wire_bytes` is all that came over the wire, headers too; `font_bytes` those of fonts."""

    wire_bytes: int
    requests: int
    font_bytes: int
    paint_ms: float
    shift: float
    press_ms: float | None


async def visit(browser: Browser, scenes: SceneSetter, scene: Scene, *, slower: int = SLOWER) -> Visit:
    """Open a page for the first time on a phone with a processor `slower` times as slow as this machine's."""
    actor = await scenes.play(scene)
    context = await open_context(browser, PHONE, address=scenes.address(scene), cookies=actor.cookies if actor else {})
    page = await context.new_page()
    debugger = await context.new_cdp_session(page)
    wire = await _watched(debugger)
    await page.add_init_script(WATCH)
    await debugger.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    await page.goto(scene.address)
    paint = await page.evaluate(
        """() => new Promise(found => new PerformanceObserver(list => list.getEntriesByName("first-contentful-paint")
            .forEach(one => found(one.startTime))).observe({type: "paint", buffered: true}))"""
    )
    shift: float = await page.evaluate("shifts")
    if await page.locator("[data-stream]").count():
        await eventually(lambda: wire["streamed"] > 0, what="the first state of the live lines")
    press = await _pressed(page, PRESSED[scene.name]) if scene.name in PRESSED else None
    await context.close()
    return Visit(sum(wire["bytes"].values()), len(wire["bytes"]), wire["fonts"], float(paint), shift, press)


async def _watched(debugger: CDPSession) -> dict[str, Any]:
    """Bytes by request, counted as they come."""
    wire: dict[str, Any] = {"bytes": {}, "fonts": 0, "types": {}, "streamed": 0}

    def answered(event: dict[str, Any]) -> None:
        wire["bytes"][event["requestId"]] = event["response"]["encodedDataLength"]
        wire["types"][event["requestId"]] = event["type"]

    def came(event: dict[str, Any]) -> None:
        # A stream never finishes: what it brought is counted as it comes.
        if wire["types"].get(event["requestId"]) == "EventSource":
            wire["bytes"][event["requestId"]] += event["dataLength"]
            wire["streamed"] += event["dataLength"]

    def finished(event: dict[str, Any]) -> None:
        wire["bytes"][event["requestId"]] = event["encodedDataLength"]
        if wire["types"].get(event["requestId"]) == "Font":
            wire["fonts"] += event["encodedDataLength"]

    await debugger.send("Network.enable")
    debugger.on("Network.responseReceived", answered)
    debugger.on("Network.dataReceived", came)
    debugger.on("Network.loadingFinished", finished)
    return wire


async def _pressed(page: Page, selector: str) -> float:
    """Milliseconds from a press to the frame that shows its effect."""
    await page.locator(selector).first.tap()
    await page.wait_for_function("slowest > 0")
    return float(await page.evaluate("slowest"))


async def measured(report: Callable[[str], None]) -> None:
    program = find_chromium()
    if program is None:
        raise SystemExit("No Chromium: apt install chromium-headless-shell, or set LIXIAO_CHROMIUM.")
    report(f"{'page':<16}{'kB':>7}{'requests':>10}{'fonts':>7}{'paint ms':>10}{'shift':>8}{'press ms':>10}")
    async with alone() as scenes, chromium(program) as browser:
        for name in SCENES:
            visits = [await visit(browser, scenes, BY_NAME[name]) for _ in range(VISITS)]
            report(_row(name, visits))


def _row(name: str, visits: Sequence[Visit]) -> str:
    presses = [one.press_ms for one in visits if one.press_ms is not None]
    return (
        f"{name:<16}{median(one.wire_bytes for one in visits) / 1000:>7.1f}"
        f"{max(one.requests for one in visits):>10}{max(one.font_bytes for one in visits):>7}"
        f"{median(one.paint_ms for one in visits):>10.0f}{max(one.shift for one in visits):>8.4f}"
        f"{f'{median(presses):.0f}' if presses else '':>10}"
    )


if __name__ == "__main__":
    asyncio.run(measured(print))
