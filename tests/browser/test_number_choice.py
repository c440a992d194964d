"""The page on which a person with two student numbers chooses one, on a phone and a PC, without scripts."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser import axe
from tests.support.browser.chromium import PC, PHONE, Device, Language, sideways
from tests.support.gateway.hostile_provider import Hostile, hostile_gateway, running_provider, sign_in
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.servers.fixtures import DatabaseMaker


@pytest.fixture(scope="module")
async def served(make_database: DatabaseMaker) -> AsyncIterator[tuple[RunningGateway, Hostile]]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_provider() as hostile, hostile_gateway(database, read_model, hostile) as gateway:
        yield gateway, hostile


@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
@pytest.mark.parametrize(("language", "title"), [("zh-CN", "选择学号"), ("en-GB", "Choose a student number")])
async def test_one_of_two_numbers_is_chosen_without_scripts(
    served: tuple[RunningGateway, Hostile], open_profile: Open, device: Device, language: Language, title: str
) -> None:
    gateway, hostile = served
    visitor, numbers = BrowserClient(gateway, language), [new_student_id(), new_student_id()]
    clearance = ReadModelWriter(gateway.read_model)
    for number in numbers:
        await clearance.put_case(number)
    await sign_in(visitor, hostile, student_id=numbers)
    context = await open_profile(device, address=gateway.address, cookies=visitor.cookies, language=language)
    page = await context.new_page()
    await page.goto("/sign-in/number")
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert await axe.violations(page) == []
    assert await sideways(page) == 0
    context = await open_profile(
        device, address=gateway.address, cookies=visitor.cookies, language=language, scripts=False
    )
    page = await context.new_page()
    await page.goto("/sign-in/number")
    await page.get_by_role("button", name=numbers[1]).click()
    await expect(page.locator(".basics")).to_contain_text(numbers[1])
    await visitor.close()
