"""A picture of one change, from the desk to the open page, as Zipkin shows it.

`python -m tests.support.browser.trace_picture` starts servers and services of its own.
"""

import asyncio
import secrets
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from playwright.async_api import Page

from deploy.local.installation import Installation, until
from deploy.local.processes.state_folder import claim_any
from deploy.local.servers.kafka import Kafka, RunningKafka
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.server import obtain
from deploy.local.servers.zipkin import Zipkin
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.browser.chromium import chromium, find_chromium
from tests.support.browser.screenshots import KEPT, captured
from tests.support.gateway.server import Events, sign_in
from tests.support.observability.spans import trace
from tests.support.paths import ROOT

WIDTH, HEIGHT = 1280, 860
WITHIN_S: Final = 60.0


async def changed(installation: Installation) -> str:
    """The trace of a loan that an open page was sent."""
    person = installation.person()
    student_id = await installation.enrol(person.student_id or "")
    await installation.opened("library", [student_id])
    await installation.in_step("library", students=[student_id])
    browser = await sign_in(installation, person)
    async with browser.stream("/case/live") as response:
        events = Events(response)
        await events.next()
        answer = await installation.client("library").post(
            "/operations/loan",
            json={
                "student_id": student_id,
                "barcode": f"B-{secrets.token_hex(4)}",
                "title": "读物",
                "due_on": "2027-06-20",
            },
            headers={"Idempotency-Key": secrets.token_hex(8)},
        )
        answer.raise_for_status()
        await events.next()
        trace_id: str = answer.headers["traceresponse"].split("-")[1]

        async def is_whole() -> bool:
            return "push page" in {span["name"] for span in await trace(installation.zipkin, trace_id)}

        await until(is_whole, "the push in Zipkin", WITHIN_S)
    await browser.close()
    return trace_id


async def take(page: Page, address: str) -> bytes:
    await page.goto(address)
    push = page.get_by_text("push page").first
    await push.wait_for(timeout=WITHIN_S * 1000)
    await push.click()
    await page.get_by_text("lixiao.subject").first.wait_for(timeout=WITHIN_S * 1000)
    await page.wait_for_load_state("networkidle")
    return await captured(page, "webp", {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": 1}, quality=80)


async def write(folder: Path, zipkin: str, kafka: RunningKafka, postgres: str, program: str) -> None:
    installation = Installation(folder, postgres=postgres, kafka=kafka.address, zipkin=zipkin)
    await installation.provision()
    try:
        await installation.start(*installation.departments, CLEARANCE, IDENTITY, GATEWAY)
        # What a process does once costs more than what it does each time.
        await changed(installation)
        trace_id = await changed(installation)
        async with chromium(program) as browser:
            page = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            (KEPT / "trace.webp").write_bytes(await take(page, f"{zipkin}/zipkin/traces/{trace_id}"))
    finally:
        await installation.close()


def main() -> None:
    program = find_chromium()
    if program is None:
        raise SystemExit("No Chromium: apt install chromium-headless-shell, or set LIXIAO_CHROMIUM.")
    with (
        claim_any(ROOT / ".lixiao" / "screenshots-state") as state,
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as running,
    ):
        zipkin, kafka, postgres = (
            obtain(Zipkin(state.folder)),
            obtain(Kafka(state.folder)),
            obtain(Postgres(state.folder)),
        )
        for server in (zipkin, kafka, postgres):
            running.callback(server.stop)
        asyncio.run(write(Path(folder), zipkin.address, kafka, postgres.address, program))


if __name__ == "__main__":
    main()
