"""The certificate desk with a scanner that types, on a phone and on a PC: what a clerk sees, and hands over once."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.printing.qr_image import form_link
from services.kit.names import CERTIFICATE_DESK
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser.axe import violations
from tests.support.browser.chromium import PC, PHONE, Device, sideways
from tests.support.browser.staff_pages import looked_at, scan, signed_in
from tests.support.gateway.read_model import ReadModelWriter, carrying
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.servers.fixtures import DatabaseMaker

CLERK = Person(sub="clerk-1", name="钱映雪", roles=(CERTIFICATE_DESK,))
DEBT = Reason(code="arrears", parameters={"count": 1, "total": "60.00"})


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_gateway(database, read_model, (CLERK,)) as running:
        async with carrying(running, ReadModelWriter(read_model)):
            yield running


async def opened(gateway: RunningGateway, open_profile: Open, device: Device, language: str = "zh") -> Page:
    return await signed_in(gateway, open_profile, device, CLERK, "desk", language=language)


async def checked(page: Page, text: str, verdict: str) -> None:
    await scan(page, text, into="#form")
    await page.locator(".checked-verdict", has_text=verdict).wait_for()
    assert page.url.endswith(("/desk", "/desk/issue"))
    assert await violations(page) == []
    assert await sideways(page) == 0


@pytest.mark.acceptance("S-102")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_scanned_form_is_handed_over_once_by_keyboard_alone(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    form = await ReadModelWriter(gateway.read_model).accept_signed(new_student_id())
    page = await opened(gateway, open_profile, device)
    await checked(page, form.qr_text, "真实有效")
    await page.locator('input[value="self"]').focus()
    await page.keyboard.press("Enter")
    await page.locator(".checked-verdict", has_text="已登记领取").wait_for()
    assert form.form_number in await page.locator(".handed").inner_text()
    await checked(page, form_link(gateway.address, form.qr_text), "此前已经领取")
    assert "发放人：钱映雪" in await page.locator(".checked-sentence").inner_text()


@pytest.mark.acceptance("S-103")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_debt_after_the_submission_is_shown_in_red_above_the_unchanged_form(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    clearance = ReadModelWriter(gateway.read_model)
    form = await clearance.accept_signed(new_student_id())
    await clearance.open_exception(form.student_id, "finance", DEBT)
    page = await opened(gateway, open_profile, device)
    await checked(page, form.qr_text, "提交后有新增未办事项")
    assert "60.00" in await page.locator(".exception").inner_text()
    assert await page.locator(".exception .tel").count() == 1
    assert await page.locator(".submitted .verdict.clear").count() == 5


WORDS = {
    "zh": {
        "exception": "提交后有新增未办事项",
        "name": "姓名由“王玥”改为“王钥”。",
        "unconfirmed": "请逐项核实并勾选确认",
        "no_reason": "请填写理由",
        "issued": "已登记领取",
        "undone": "已撤销登记",
        "genuine": "真实有效",
    },
    "en": {
        "exception": "New open matters since the submission",
        "name": "Name changed from “王玥” to “王钥”.",
        "unconfirmed": "look into each matter and tick it",
        "no_reason": "Enter the reason",
        "issued": "Recorded as collected",
        "undone": "Hand-over undone",
        "genuine": "Genuine",
    },
}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_each_new_matter_is_ticked_with_a_reason_before_the_hand_over(
    gateway: RunningGateway, open_profile: Open, device: Device, language: str
) -> None:
    clearance, words = ReadModelWriter(gateway.read_model), WORDS[language]
    form = await clearance.accept_signed(new_student_id())
    await clearance.open_exception(form.student_id, "finance", DEBT)
    corrected = Reason(code="name-changed", parameters={"was": "王玥", "now": "王钥"})
    await clearance.open_roster_exception(form.student_id, corrected)
    page = await opened(gateway, open_profile, device, language)
    await checked(page, form.qr_text, words["exception"])
    await expect(page.get_by_text(words["name"])).to_be_visible()
    await page.locator("form.hand-over .button").click()
    await expect(page.locator("#hand-over-error")).to_contain_text(words["unconfirmed"])
    for name in ("finance 9", "roster 1"):
        await page.locator(f'input[name="confirm"][value="{name}"]').check()
    await page.locator("form.hand-over .button").click()
    await expect(page.locator("#hand-over-error")).to_contain_text(words["no_reason"])
    await expect(page.locator('input[name="confirm"][value="roster 1"]')).to_be_checked()
    await page.locator("#reason").fill("研究生院来函更正")
    await page.locator("form.hand-over .button").click()
    await page.locator(".checked-verdict", has_text=words["issued"]).wait_for()
    await expect(page.locator(".history")).to_contain_text("研究生院来函更正")
    assert await violations(page) == []
    assert await sideways(page) == 0


@pytest.mark.acceptance("K-001")
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_hand_over_is_undone_with_a_reason_and_its_history_stays_on_the_page(
    gateway: RunningGateway, open_profile: Open, language: str
) -> None:
    words = WORDS[language]
    form = await ReadModelWriter(gateway.read_model).accept_signed(new_student_id())
    page = await opened(gateway, open_profile, PHONE, language)
    await checked(page, form.qr_text, words["genuine"])
    await page.locator("form.hand-over .button").click()
    await page.locator(".checked-verdict", has_text=words["issued"]).wait_for()
    await page.locator(".undo summary").click()
    await page.locator("#undo_reason").fill("登记到了别人名下")
    assert await violations(page) == []
    await page.locator(".undo .button").click()
    await page.locator(".checked-verdict", has_text=words["undone"]).wait_for()
    await expect(page.locator(".history")).to_contain_text("登记到了别人名下")
    await expect(page.locator(".history")).to_contain_text("钱映雪")
    await page.locator("form.hand-over .button").click()
    await page.locator(".checked-verdict", has_text=words["issued"]).wait_for()
    assert await page.locator(".history li").count() == 2
    assert await violations(page) == []
    assert await sideways(page) == 0


@pytest.mark.acceptance("K-001")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_student_without_the_paper_is_found_by_number_or_name_in_amber_and_the_hand_over_names_the_clerk(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    clearance = ReadModelWriter(gateway.read_model)
    form = await clearance.accept_signed(new_student_id(), name=f"端木叙白{device}")
    open_still = new_student_id()
    await clearance.put_case(open_still, name=f"端木叙白{device}")
    page = await opened(gateway, open_profile, device)
    await expect(page.get_by_text("当前用户：钱映雪")).to_be_visible()
    await expect(page.locator("#form")).to_be_focused()
    await page.keyboard.insert_text(f"端木叙白{device}")
    await page.keyboard.press("Enter")
    await page.get_by_text("没有有效的离校流程单").wait_for()
    await looked_at(page, "desk-holders", device)
    await page.get_by_role("button", name=f"端木叙白{device}").click()
    await page.locator(".checked.caution .checked-verdict", has_text="编号有效").wait_for()
    await looked_at(page, "desk-caution", device)
    await page.locator("#form").fill(form.student_id)
    await page.keyboard.press("Enter")
    await page.locator(".checked.caution .checked-verdict", has_text="编号有效").wait_for()
    await page.locator("form.hand-over .button").first.click()
    await page.locator(".checked-verdict", has_text="已登记领取").wait_for()
    await expect(page.locator(".checked-sentence")).to_contain_text("钱映雪")
    await looked_at(page, "desk-handed-over", device)


CAMERA = """
(text) => {
  window.BarcodeDetector = class {
    static async getSupportedFormats() { return ['qr_code']; }
    async detect() { return [{ rawValue: text }]; }
  };
  const canvas = document.createElement('canvas');
  const drawing = canvas.getContext('2d');
  setInterval(() => drawing.fillRect(0, 0, Math.random() * 100, 50), 40);
  const media = { getUserMedia: async () => canvas.captureStream() };
  Object.defineProperty(navigator, 'mediaDevices', { value: media });
}
"""


@pytest.mark.acceptance("K-001")
async def test_a_phone_reads_the_code_with_its_camera_where_its_browser_can(
    gateway: RunningGateway, open_profile: Open
) -> None:
    form = await ReadModelWriter(gateway.read_model).accept_signed(new_student_id())
    page = await opened(gateway, open_profile, PHONE)
    if not await page.evaluate("'BarcodeDetector' in window"):
        await expect(page.locator("#camera")).to_be_hidden()
    await page.add_init_script(f"({CAMERA})({form_link(gateway.address, form.qr_text)!r})")
    await page.reload()
    await page.get_by_role("button", name="用摄像头扫描").click()
    await page.locator(".checked-verdict", has_text="真实有效").wait_for()


@pytest.mark.acceptance("S-104")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_link_in_the_code_shows_whether_the_form_is_genuine_and_no_server_sees_it(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    """Whoever is handed a form scans its code; without scripts they paste what they scanned."""
    form = await ReadModelWriter(gateway.read_model).accept_signed(new_student_id())
    link = form_link(gateway.address, form.qr_text)
    page = await (await open_profile(device, address=gateway.address)).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.extend((request.url, request.headers.get("referer", ""))))
    await page.goto(link)
    await expect(page.locator(".checked-verdict")).to_have_text("真实")
    result = await page.locator("div.checked").inner_text()
    assert form.form_number in result
    assert "欧**㛃" in result
    assert "欧阳" not in result
    assert page.url == f"{gateway.address}/verify"
    assert asked
    assert not [address for address in asked if "LXF" in address and not address.startswith(link)], asked
    await looked_at(page, "verify-link", device)
    await page.go_back()
    assert "LXF" not in page.url
    plain = await (await open_profile(device, address=gateway.address, scripts=False)).new_page()
    await plain.goto(link)
    await plain.get_by_text("扫码后没有显示结果").click()
    await plain.get_by_label("扫描得到的整段文字或网址").fill(link)
    await plain.get_by_role("button", name="核验扫描内容").click()
    await expect(plain.locator(".checked-verdict")).to_have_text("真实")
    assert plain.url == f"{gateway.address}/verify"
