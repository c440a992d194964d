"""A new clerk from the sign-in to the first ten students, as somebody does it who was told nothing but the address."""

import time
from collections.abc import AsyncIterator, Callable

import pytest
from playwright.async_api import Page, expect

from deploy.local.http_clients import local_client
from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser.chromium import PC
from tests.support.browser.staff_pages import looked_at, scan
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.gateway.staff import ServedDesk, addresses, clerk, served_desks
from tests.support.samples import case_samples
from tests.support.servers.fixtures import DatabaseMaker

CLERK = clerk("library", name="周若溪")
TEN = 10
MOST_STEPS = 2 + 2 * TEN
"""The sign-in, then a scan and a press for each; a step is what the clerk does before the page answers."""


@pytest.fixture(scope="module")
async def desk(make_database: DatabaseMaker) -> AsyncIterator[dict[str, ServedDesk]]:
    with served_desks({"library": await make_database("library")}) as served:
        yield served


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker, desk: dict[str, ServedDesk]) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_gateway(database, read_model, (CLERK,), desks=addresses(desk)) as running:
        yield running


async def ten_students(gateway: RunningGateway, served: ServedDesk) -> list[str]:
    """In a queue at the counter: each has a book to give back, or a card to cancel."""
    clearance, numbers = ReadModelWriter(gateway.read_model), [new_student_id() for _ in range(TEN)]
    headers = {"Authorization": f"Bearer {served.desk.bearer()}", "Lixiao-Acting-For": "colleague"}
    async with local_client(served.desk.address, headers=headers, timeout=30) as library:
        for place, number in enumerate(numbers):
            await clearance.put_case(number, name=f"新生{place:02}")
            reason = Reason(code="books-not-returned", parameters={"count": 1})
            await clearance.put_status(number, "library", [case_samples.check("borrowing", {}, reason)])
            if place % 2 == 0:
                book = {"barcode": f"B-{number}", "title": "矿山压力", "due_on": "2026-06-20"}
                answer = await library.post(
                    "/operations/loan", json={"student_id": number, **book}, headers={"Idempotency-Key": number}
                )
                assert answer.status_code == 200, answer.text
    return numbers


class Counter:
    """What the clerk did."""

    def __init__(self) -> None:
        self.steps = 0

    async def click(self, page: Page, name: str) -> None:
        self.steps += 1
        await page.get_by_role("button", name=name).first.click()

    async def scan(self, page: Page, number: str) -> None:
        self.steps += 1
        await scan(page, number)


@pytest.mark.acceptance("D-010")
async def test_a_new_clerk_signs_in_and_serves_ten_students_with_a_scan_and_a_press_each(
    gateway: RunningGateway,
    desk: dict[str, ServedDesk],
    open_profile: Open,
    record_property: Callable[[str, object], None],
) -> None:
    numbers, did = await ten_students(gateway, desk["library"]), Counter()
    context = await open_profile(PC, address=gateway.address, cookies={})
    page = await context.new_page()
    began = time.monotonic()
    did.steps += 1
    await page.goto(f"{gateway.address}/staff")
    await did.click(page, CLERK.name)
    await page.get_by_role("heading", name="图书馆").first.wait_for()
    for place, number in enumerate(numbers):
        act = "归还图书" if place % 2 == 0 else "注销借书证"
        await did.scan(page, number)
        await page.get_by_role("heading", name=f"新生{place:02}").wait_for()
        await did.click(page, act)
        await expect(page.get_by_role("status").first).to_contain_text(f"已办理：{act}")
    seconds = time.monotonic() - began
    record_property("steps", did.steps)
    record_property("seconds", round(seconds, 1))
    print(f"first ten students: {did.steps} steps, {seconds:.1f} s")
    await looked_at(page, "tenth-student", PC)
    assert did.steps == MOST_STEPS
    done = [act for actor, act, outcome in await desk["library"].audited() if CLERK.name in actor and outcome != "read"]
    assert len(done) == TEN
