"""Looks at `make dashboards` beside a demo: every panel has data, no rule fails, no other host is asked.

`--write` keeps a picture of each dashboard and of the alerts in docs/screenshots. Exits with 1 if anything is not as it
should be. Needs the programs that the page builds, and takes some minutes.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import httpx
import psutil
import typer
from playwright.async_api import Page

from deploy.local.http_clients import local_client
from deploy.local.identity.people import Person
from deploy.local.processes.ports import LOOPBACK, noted_ports
from deploy.local.processes.process import Process
from deploy.local.processes.state_folder import claim_any, clean
from deploy.observability.alerts import ALERTS
from schemas.flows import GATEWAY
from tests.support.browser.chromium import Device, chromium, find_chromium, open_context
from tests.support.browser.screenshots import KEPT, captured
from tests.support.gateway.server import BrowserClient, Events, RunningGateway
from tests.support.paths import ROOT
from tests.support.waiting import eventually

STARTED_WITHIN_S: Final = 900
"""The programs may have to be built."""
DATA_WITHIN_S: Final = 300
DESK: Final = "library"
SCRAPED_EVERY_S: Final = 6
ONE: Final = "A department: "
"""Begins the title of a department's dashboard; the first one's picture is kept."""
TALL: Final = Device("tall", 1280, 6000)
"""A panel is drawn when it is seen."""
DRAWN: Final = """title => {
  const active = document.querySelector('.vm-predefined-panels-tabs__tab_active')
  const panels = [...document.querySelectorAll('.vm-predefined-panel')]
  return active?.textContent == title && panels.length && panels.every(one => one.querySelector('canvas'))
    && !document.querySelector('.vm-spinner')
}"""
LONGER_S: Final = 120
"""For lines in pictures."""
RESTS: Final = 4
"""Looks a second apart: lines are drawn after their panel."""
SHOWN: Final = "?g0.range_input=5m&g0.relative_time=last_5_minutes"


def main(
    write: Annotated[bool, typer.Option("--write", help="keep pictures in docs/screenshots")] = False,
) -> None:
    """See the module."""
    program = find_chromium()
    if program is None:
        sys.exit("No Chromium: apt install chromium-headless-shell, or set LIXIAO_CHROMIUM.")
    with claim_any(ROOT / ".lixiao" / "test-dashboards") as state:
        clean(state.folder / "demo")  # a season of its own: nobody has submitted
        cache = os.environ.get("LIXIAO_CACHE") or str(ROOT / ".lixiao" / "cache")
        run = partial(started, state.folder, {**os.environ, "LIXIAO_STATE": str(state.folder), "LIXIAO_CACHE": cache})
        demo = run("demo", "deploy.demo", "--late-s", "0", until="Ready")
        try:
            page = run("page", "deploy.observability.page", until="Alerts")
            try:
                asyncio.run(look(state.folder, program, write))
            finally:
                page.stop()
            if page.poll() != 0 or "nothing is left running" not in page.tail():
                sys.exit(f"the page did not end as it should.{page.last_lines()}")
            asyncio.run(ended(state.folder))
        finally:
            demo.stop()
    print("as it should be")


def started(
    folder: Path, environment: Mapping[str, str], name: str, module: str, *arguments: str, until: str
) -> Process:
    """Once it has printed `until`. On free ports."""
    command = [sys.executable, "-m", module, "--port", "0", *arguments]
    log = folder / f"{name}.out"
    log.unlink(missing_ok=True)
    process = Process(name, command, log=log, cwd=ROOT, env=environment, stop_signal=signal.SIGINT)
    process.ready = lambda: until in log.read_text()
    return process.start().wait_ready(STARTED_WITHIN_S)


async def look(folder: Path, program: str, write: bool) -> None:
    address = f"http://{LOOPBACK}:{noted_ports(folder / 'dashboards' / 'ports', ['metrics'])['metrics']}"
    async with students_at_work(folder / "demo"), local_client(address, timeout=20) as server:
        boards = (await server.get("/vmui/custom-dashboards")).json()["dashboardsSettings"]
        await every_panel_has_data(server, boards)
        await no_rule_fails_or_fires(server)
        if write:
            await asyncio.sleep(LONGER_S)
        await looked_at(address, program, [board["title"] for board in boards], write, process_of(folder, DESK))


def process_of(folder: Path, service: str) -> psutil.Process:
    """The demo's. Raises StopIteration."""
    log = str(folder / "demo" / "logs" / f"{service}.log")
    return next(one for one in psutil.process_iter() if any(file.path == log for file in opened(one)))


def opened(process: psutil.Process) -> list[Any]:
    try:
        return list(process.open_files())
    except psutil.Error:
        return []


@asynccontextmanager
async def students_at_work(demo: Path) -> AsyncIterator[None]:
    """Some submit, one after another, and one has the page open while a desk changes what is on it.

    More than once: a rate does not see what a series begins with.
    """
    everybody = [Person.model_validate(one) for one in json.loads((demo / "people.json").read_text("utf-8"))]
    ports = noted_ports(demo / "ports", [GATEWAY, DESK])
    gateway = RunningGateway(f"http://{LOOPBACK}:{ports[GATEWAY]}", "", "", ())
    blocked = next(one for one in everybody if one.situation == "blocked-everywhere")
    browser = BrowserClient(gateway)
    await browser.sign_in(blocked)
    headers = {"Authorization": f"Bearer {(demo / 'tokens' / DESK).read_text()}"}
    desk = local_client(f"http://{LOOPBACK}:{ports[DESK]}", headers=headers)
    async with browser.stream("/case/live") as response, desk:
        events = Events(response)
        await events.next()
        for number, clear in enumerate(one for one in everybody if one.situation == "all-clear"):
            fine = {"student_id": blocked.student_id, "fine_id": f"F-{number}", "amount": "1.00"}
            answer = await desk.post("/operations/fine", json=fine, headers={"Idempotency-Key": str(time.time_ns())})
            answer.raise_for_status()
            await events.next()
            await submit(BrowserClient(gateway), clear)
            await asyncio.sleep(SCRAPED_EVERY_S)  # each is seen by itself
        yield
    await browser.close()


async def submit(browser: BrowserClient, person: Person) -> None:
    await browser.sign_in(person)
    await browser.post("/api/v1/submission", headers={"X-CSRF-Token": await browser.csrf()})

    async def accepted() -> bool:
        return bool((await browser.get("/api/v1/submission")).json().get("state") == "done")

    await eventually(accepted, what="the submission to be accepted", timeout_s=60, poll_s=1)
    await browser.close()


async def every_panel_has_data(server: httpx.AsyncClient, boards: list[dict[str, Any]]) -> None:
    empty: list[str] = []

    async def none_empty() -> bool:
        empty.clear()
        for board in boards:
            for panel in (panel for row in board["rows"] for panel in row["panels"]):
                for expression in panel["expr"]:
                    answer = (await server.get("/api/v1/query", params={"query": expression})).json()
                    if answer["status"] != "success" or not answer["data"]["result"]:
                        empty.append(f"{board['title']}: {panel['title']}: {expression}")
        return not empty

    try:
        await eventually(none_empty, what="every panel to have data", timeout_s=DATA_WITHIN_S, poll_s=5)
    except AssertionError:
        sys.exit("panels without data:\n" + "\n".join(empty))


async def no_rule_fails_or_fires(server: httpx.AsyncClient) -> None:
    (group,) = (await server.get("/vmalert/api/v1/rules")).json()["data"]["groups"]
    assert {rule["name"] for rule in group["rules"]} == {alert.name for alert in ALERTS}
    amiss = [f"{rule['name']}: {rule['state']} {rule['lastError']}" for rule in group["rules"] if not well(rule)]
    assert not amiss, amiss


def well(rule: Mapping[str, Any]) -> bool:
    return (rule["health"], rule["state"]) == ("ok", "inactive")


async def looked_at(address: str, program: str, titles: list[str], write: bool, library: psutil.Process) -> None:
    hosts: set[str] = set()
    async with chromium(program) as browser:
        context = await open_context(browser, TALL, address=address, language="en-GB")
        page = await context.new_page()
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        await page.goto(f"/vmui/#/dashboards{SHOWN}")
        for number, title in enumerate(titles):
            await page.locator(".vm-predefined-panels-tabs__tab").nth(number).click()
            await page.wait_for_function(DRAWN, arg=title, timeout=60_000)
            assert not await page.locator(".vm-alert_error").count(), f"{title} shows an error"
            if write and (not title.startswith(ONE) or not titles[number - 1].startswith(ONE)):
                name = f"dashboard-{title.removeprefix(ONE).lower().replace(' ', '-')}"
                await keep(page, name, ".vm-predefined-panels")
        library.suspend()
        try:
            await an_alert_fires(page, write)
        finally:
            library.resume()
        await context.close()
    assert hosts == {urlsplit(address).netloc}, hosts


async def an_alert_fires(page: Page, write: bool) -> None:
    """What a person sees of a department that hangs: the alert, and in it what it means and the runbook."""

    async def firing() -> bool:
        answer = await page.request.get("/vmalert/api/v1/alerts")
        return any(one["state"] == "firing" for one in (await answer.json())["data"]["alerts"])

    await eventually(firing, what="an alert", timeout_s=150, poll_s=2)
    await page.goto("/vmui/#/rules")
    await page.locator(".vm-explore-alert-group header").first.click()
    await page.locator(".vm-explore-alerts-items header", has_text="ServiceDown").click()
    try:
        await page.get_by_text("docs/runbooks/service-down.md").first.wait_for()
    finally:
        if write:
            await keep(page, "dashboard-alerts", ".vm-explore-alerts")


async def keep(page: Page, name: str, content: str) -> None:
    """As far down as the `content` goes, of which the page leaves room below, once it has come to rest."""
    bottoms: list[float] = []

    async def rests() -> bool:
        element = page.locator(content)
        bottoms.append(await element.evaluate("element => element.lastElementChild.getBoundingClientRect().bottom"))
        return len(bottoms) > RESTS and len(set(bottoms[-RESTS:])) == 1

    await eventually(rests, what=f"{name} to come to rest", timeout_s=60, poll_s=1)
    bottom = bottoms[-1]
    clip = {"x": 0, "y": 0, "width": TALL.width, "height": bottom + 8, "scale": 1}
    (KEPT / f"{name}-pc-en.webp").write_bytes(await captured(page, "webp", clip))


async def ended(folder: Path) -> None:
    """The page and its files are gone, the demo goes on."""
    ports = noted_ports(folder / "dashboards" / "ports", ["metrics", "alerts"])
    async with local_client() as client:
        for name, port in ports.items():
            try:
                await client.get(f"http://{LOOPBACK}:{port}/health")
            except httpx.ConnectError:
                continue
            sys.exit(f"{name} is left running")
        gateway = noted_ports(folder / "demo" / "ports", [GATEWAY])[GATEWAY]
        (await client.get(f"http://{LOOPBACK}:{gateway}/health/live")).raise_for_status()
    assert not (folder / "dashboards" / "shown").exists()


if __name__ == "__main__":
    typer.run(main)
