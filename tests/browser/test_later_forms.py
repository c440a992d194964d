"""A student whose form was voided, and one who comes back for a second degree: what their page shows."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.web.cookies import LANGUAGE_COOKIE
from services.kit.names import CERTIFICATE_DESK
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser.axe import violations
from tests.support.browser.chromium import PC, PHONE, Device, sideways
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.samples import case_samples
from tests.support.servers.fixtures import DatabaseMaker

PEOPLE = tuple(Person(sub=f"u-{number}", name="虚构", student_id=new_student_id()) for number in range(12))
CLERK = Person(sub="clerk-1", name="钱映雪", roles=(CERTIFICATE_DESK,))
WORDS = {
    "zh": {
        "void": "作废，理由：姓名有误",
        "replaces": "替代已作废的表单",
        "earlier": "此前的离校流程单",
        "desk": "此单已作废",
    },
    "en": {
        "void": "because: 姓名有误",
        "replaces": "Replaces the void form",
        "earlier": "Earlier forms",
        "desk": "is void",
    },
}
_free = iter(PEOPLE)


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_gateway(database, read_model, (*PEOPLE, CLERK)) as running:
        yield running


@pytest.fixture
def student() -> Person:
    return next(_free)


async def opened(
    gateway: RunningGateway, open_profile: Open, device: Device, language: str, person: Person, place: str = "case"
) -> Page:
    visitor = BrowserClient(gateway)
    await visitor.sign_in(person, place=place)
    await visitor.close()
    cookies = {**visitor.cookies, LANGUAGE_COOKIE: language}
    context = await open_profile(device, address=gateway.address, cookies=cookies)
    page = await context.new_page()
    await page.goto(f"/{place}")
    return page


async def fine(page: Page) -> None:
    assert await violations(page) == []
    assert await sideways(page) == 0


@pytest.mark.parametrize(("device", "language"), [(PHONE, "zh"), (PC, "zh"), (PHONE, "en"), (PC, "en")], ids=str)
async def test_a_voided_form_is_told_live_and_its_replacement_names_it(
    gateway: RunningGateway, open_profile: Open, device: Device, language: str, student: Person
) -> None:
    clearance, words = ReadModelWriter(gateway.read_model), WORDS[language]
    assert student.student_id is not None
    old = await clearance.accept_signed(student.student_id)
    await clearance.all_clear(student.student_id)
    page = await opened(gateway, open_profile, device, language, student)
    await expect(page.locator("#summary.done")).to_be_visible()
    await clearance.void(student.student_id, old.form_number)
    await clearance.notify()
    await expect(page.locator("#void")).to_contain_text(words["void"])
    await expect(page.locator("#submit .button")).to_be_visible()
    await fine(page)
    await page.locator("#earlier a").click()
    await expect(page.locator(".form-head")).to_contain_text(old.form_number)
    await expect(page.locator(".form-void")).to_contain_text(words["void"])
    assert await page.locator('a[href*="form"]').count() == 0
    await fine(page)
    new = await clearance.accept_signed(student.student_id, replaces=old.form_number)
    await page.goto("/completed")
    await expect(page.locator(".form-head")).to_contain_text(new.form_number)
    await expect(page.locator(".form-head")).to_contain_text(words["replaces"])
    await fine(page)
    desk = await opened(gateway, open_profile, device, language, CLERK, place="desk")
    await desk.locator("#form").fill(old.qr_text)
    await desk.keyboard.press("Enter")
    await expect(desk.locator(".checked-verdict")).to_contain_text(words["desk"])
    await expect(desk.locator(".checked-sentence")).to_contain_text(new.form_number)
    assert await desk.locator("form.hand-over").count() == 0
    await fine(desk)


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_second_degree_is_a_new_case_with_a_link_to_the_earlier_form(
    gateway: RunningGateway, open_profile: Open, language: str, student: Person
) -> None:
    clearance, words = ReadModelWriter(gateway.read_model), WORDS[language]
    assert student.student_id is not None
    first = await clearance.accept_signed(student.student_id)
    await clearance.open_next_case(student.student_id)
    await clearance.all_clear(student.student_id)
    page = await opened(gateway, open_profile, PHONE, language, student)
    await expect(page.locator(".basics-box")).to_contain_text("管理科学")
    await expect(page.locator("#earlier-title")).to_have_text(words["earlier"])
    await fine(page)
    await page.locator("#earlier a").click()
    await expect(page.locator(".form-head")).to_contain_text(first.form_number)
    await expect(page.locator('a[href="/me/form/1.pdf"]')).to_be_visible()
    await fine(page)


@pytest.mark.parametrize(("device", "language"), [(PHONE, "zh"), (PC, "en")], ids=str)
async def test_a_debt_under_a_former_number_stands_on_the_page_as_such(
    gateway: RunningGateway, open_profile: Open, device: Device, language: str, student: Person
) -> None:
    clearance, former = ReadModelWriter(gateway.read_model), new_student_id()
    assert student.student_id is not None
    await clearance.put_case(student.student_id)
    await clearance.join(student.student_id, former)
    for number in (student.student_id, former):
        await clearance.all_clear(number)
    debt = Reason(code="arrears", parameters={"count": 1, "total": "8000.00"})
    blocked = case_samples.check("arrears", {"total": "8000.00", "charges": []}, debt)
    await clearance.put_status(former, "finance", [blocked], version=2)
    page = await opened(gateway, open_profile, device, language, student)
    line = page.locator("#former-1-finance-arrears")
    await expect(line).to_contain_text(former)
    await expect(line).to_contain_text("8000.00")
    await expect(page.locator("#submit .button")).to_have_attribute("aria-disabled", "true")
    await fine(page)
