"""An exception from its proposal to its confirmation by a second person, on a phone and on a PC."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.names import APPROVER, GRADUATE_SCHOOL
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser.chromium import PC, PHONE, Device
from tests.support.browser.staff_pages import looked_at, signed_in
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.roster import served_roster
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.servers.fixtures import DatabaseMaker

SCHOOL = Person(sub="school", name="顾长宁", roles=(GRADUATE_SCHOOL,))
APPROVING = Person(sub="approving", name="陆闻笛", roles=(APPROVER,))


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with (
        served_roster(read_model) as roster,
        running_gateway(database, read_model, (SCHOOL, APPROVING), roster=roster) as running,
    ):
        yield running


async def opened(
    gateway: RunningGateway, open_profile: Open, device: Device, person: Person, language: str = "zh"
) -> Page:
    return await signed_in(gateway, open_profile, device, person, "exceptions", language=language)


@pytest.mark.acceptance("G-005")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_one_person_proposes_a_release_and_another_confirms_it(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    number, name = new_student_id(), f"独孤信{device}"
    await ReadModelWriter(gateway.read_model).put_case(number, name=name)
    page = await opened(gateway, open_profile, device, SCHOOL)
    await page.get_by_label("学号").fill(number)
    await page.get_by_label("类型").select_option("release")
    await page.get_by_label("理由").fill("系统故障，已核对纸质凭证")
    await page.get_by_role("button", name="提出，交另一人决定").click()
    await page.locator("#until-wrong", has_text="请填写此项").wait_for()
    await looked_at(page, "exceptions-field", device)
    await page.get_by_label("有效期至").fill((datetime.now(UTC) + timedelta(days=20)).date().isoformat())
    await page.get_by_role("button", name="提出，交另一人决定").click()
    await page.get_by_role("status").filter(has_text="等待另一人决定").wait_for()
    mine = page.locator(".proposal", has_text=number)
    await mine.get_by_text("须由另一人决定").wait_for()
    assert await mine.get_by_role("button", name="批准").count() == 0
    await looked_at(page, "exceptions-proposed", device)

    other = await opened(gateway, open_profile, device, APPROVING)
    await other.locator(".proposal", has_text=number).get_by_role("button", name="批准").click()
    await other.get_by_role("status").filter(has_text="已批准").wait_for()
    await other.get_by_role("row").filter(has_text=number).get_by_text("陆闻笛").wait_for()
    await looked_at(other, "exceptions-confirmed", device)


async def test_exceptions_are_in_english_too(gateway: RunningGateway, open_profile: Open) -> None:
    page = await opened(gateway, open_profile, PHONE, SCHOOL, "en")
    await page.get_by_role("heading", name="Exceptions and releases").wait_for()
    await looked_at(page, "exceptions-en", PHONE)
