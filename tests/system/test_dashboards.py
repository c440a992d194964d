"""Every panel of every dashboard shows something of the running system, asked of a real Prometheus."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from deploy.local.installation import Installation
from deploy.observability.boards import DASHBOARDS
from deploy.observability.panels import DEPARTMENT
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.gateway.server import BrowserClient, Events
from tests.support.servers.prometheus import Prometheus
from tests.support.waiting import eventually
from tests.system.test_submission import ready_to_submit, submit

SHOWN = "finance"
"""The department whose dashboard is looked at."""


@pytest.fixture
async def prometheus(installation: Installation, tmp_path: Path) -> AsyncIterator[Prometheus]:
    services = (*installation.departments, CLEARANCE, GATEWAY)
    started = Prometheus(tmp_path, {name: installation.operator_address(name) for name in services}).start()
    yield started
    started.stop()


async def test_every_panel_has_data(installation: Installation, prometheus: Prometheus) -> None:
    student_id, browser = await ready_to_submit(installation)
    async with browser.stream("/case/live") as response:
        events = Events(response)
        await events.next()
        await charged_and_paid(installation, student_id, "C-1")
        await events.next()
        await accepted(browser)

        async def scraped() -> bool:
            return bool(await prometheus.series("lixiao_attempt_duration_seconds_count > 0"))

        # A rate does not see what a series begins with.
        await eventually(scraped, what="the first submission to be scraped", timeout_s=20)
        charges, empty = count(2), dict[str, str]()

        async def all_shown() -> bool:
            # Again and again: the scrape that a rate begins with may come late.
            _, other = await ready_to_submit(installation)
            await accepted(other)
            await other.close()
            await charged_and_paid(installation, student_id, f"C-{next(charges)}")
            empty.clear()
            for board in (each for each in DASHBOARDS if not each.service):
                for panel in board.panels:
                    for query in panel.queries:
                        expression = query.expression.replace(DEPARTMENT, SHOWN)
                        if all(one["value"][1] == "NaN" for one in await prometheus.series(expression)):
                            empty[f"{board.title}: {panel.title}"] = expression
            return not empty

        try:
            await eventually(all_shown, what="every panel to have data", timeout_s=90, poll_s=2)
        except AssertionError:
            raise AssertionError(f"panels without data: {empty}") from None
        attempts = await prometheus.series('sum(lixiao_attempts_total{outcome="accepted"})')
        assert float(attempts[0]["value"][1]) >= 2
    await browser.close()


async def charged_and_paid(installation: Installation, student_id: str, charge_id: str) -> None:
    charge = {"charge_id": charge_id, "year": "2025-2026", "name": "学费", "amount": "12.00"}
    await installation.operate(SHOWN, "charge", student_id=student_id, **charge)
    await installation.operate(SHOWN, "payment", student_id=student_id, charge_id=charge_id, amount="12.00")
    await installation.in_step(SHOWN, students=[student_id])


async def accepted(browser: BrowserClient) -> None:
    await submit(browser)

    async def done() -> bool:
        return bool((await browser.get("/api/v1/submission")).json()["state"] == "done")

    await eventually(done, what="the submission to be accepted")
