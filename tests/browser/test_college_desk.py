"""A college hands certificates over to its own students, one to a proxy whose document is compared afterwards."""

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.names import college_role
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser.chromium import PC, PHONE, Device
from tests.support.browser.staff_pages import looked_at, scan, signed_in
from tests.support.gateway.read_model import ReadModelWriter, carrying
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.paths import ROOT
from tests.support.servers.fixtures import DatabaseMaker

OURS, OTHERS = "信息与控制工程学院", "文理学院"
CLERK = Person(sub="college-clerk", name="简宁", roles=(college_role(OURS),))
NUMBER = "11010519491231002X"


@pytest.fixture(scope="module")
async def gateway(
    make_database: DatabaseMaker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    folder = tmp_path_factory.mktemp("by_colleges")
    university, keys = folder / "university", folder / "document.keys"
    shutil.copytree(ROOT / "config" / "universities" / "cumt", university)
    file = university / "university.toml"
    file.write_text(
        file.read_text("utf-8").replace('certificates_by = "desk"', 'certificates_by = "colleges"'), "utf-8"
    )
    keys.write_text(f"2026-06 {'1' * 64}")
    with running_gateway(database, read_model, (CLERK,), university=university, proxy_document_keys=keys) as running:
        async with carrying(running, ReadModelWriter(read_model)):
            yield running


@pytest.mark.acceptance("C-002", "K-001")
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_college_hands_over_to_a_proxy_and_compares_the_document_afterwards(
    gateway: RunningGateway, open_profile: Open, device: Device, language: str
) -> None:
    zh, clearance = language == "zh", ReadModelWriter(gateway.read_model)
    form, other = await clearance.accept_signed(new_student_id()), await clearance.accept_signed(new_student_id())
    await clearance.change_college(other.student_id, OTHERS)
    page = await signed_in(gateway, open_profile, device, CLERK, "progress", language=language, address="/progress")
    await page.get_by_role("link", name="证书发放" if zh else "Certificate", exact=False).first.click()
    await scan(page, other.qr_text, into="#form")
    await page.get_by_text("非本学院学生" if zh else "Not a student of your college").first.wait_for()
    await looked_at(page, f"college-refused-{language}", device)
    await scan(page, form.qr_text, into="#form")
    await page.locator('input[value="proxy"]').check()
    await page.locator("#proxy_name").fill("司马䶮")
    await page.locator("#document").fill("110105194912310021")
    await page.locator(".hand-over .button").first.click()
    await expect(page.get_by_role("alert")).to_contain_text("身份证号码有误" if zh else "mistyped")
    await looked_at(page, f"college-mistyped-{language}", device)
    await page.locator("#document").fill(NUMBER)
    await page.locator(".hand-over .button").first.click()
    await page.locator("summary", has_text="核对代领人证件" if zh else "Compare the proxy").click()
    await page.locator("#compared_document").fill("E12345678")
    await page.get_by_role("button", name="核对" if zh else "Compare", exact=True).click()
    await expect(page.locator("#compared")).to_contain_text("不一致" if zh else "Not the same")
    await page.locator("#compared_document").fill("110105 19491231 002x")
    await page.get_by_role("button", name="核对" if zh else "Compare", exact=True).click()
    await expect(page.locator("#compared")).to_contain_text("一致：代领人" if zh else "The same")
    await looked_at(page, f"college-compared-{language}", device)
    assert NUMBER not in await page.content()
