"""The whole way of a student, on a phone and on a PC, with every service running and the desks at work meanwhile."""

import io
import re
import unicodedata

import pytest
from pdfminer.high_level import extract_pages
from pdfminer.layout import LTPage, LTTextContainer
from playwright.async_api import Page, expect

from deploy.local.identity.people import Person
from deploy.local.installation import Installation
from schemas.flows import GATEWAY
from tests.browser.conftest import Open
from tests.support.browser import axe, journey_data
from tests.support.browser.chromium import PC, PHONE, Device, box
from tests.support.browser.student_states import RARE
from tests.support.waiting import eventually

A4_POINTS = (595, 842)


@pytest.mark.acceptance("S-004", "S-005", "S-010", "S-021", "S-041", "S-090", "S-092", "S-100", "S-102", "S-103")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_from_sign_in_to_the_printed_form(installation: Installation, open_profile: Open, device: Device) -> None:
    person = await journey_data.student(installation, journey_data.OPEN)
    context = await open_profile(device, address=installation.address(GATEWAY))
    page = await context.new_page()
    await page.goto("/")
    await page.get_by_role("link", name="我要办理").click()
    await journey_data.choose_person(page, person)
    await expect(page).to_have_url(f"{installation.address(GATEWAY)}/case")
    await expect(page.locator(".at-name dd")).to_have_text(RARE)
    await expect(page.locator("#summary-title")).to_contain_text("1 项已通过，还差 4 项")
    await _desks_act(installation, page, person)
    await _cancel_the_card(page)
    await _submit(installation, page)
    await expect(page).to_have_url(re.compile("/submitted$"), timeout=journey_data.LONG_MS)
    await expect(page.get_by_role("heading", level=1)).to_have_text("离校手续已办结")
    number = await journey_data.is_done(page)
    assert await journey_data.attempts(installation, person) == ["accepted"]
    await _view_and_print(page, device, number)
    await _return_directly(installation, open_profile, device, person, number)
    code = await page.locator(".form-code").inner_text()
    await _a_new_debt_leaves_the_form_as_it_is(installation, page, person, number)
    await _the_desk_sees_the_debt_and_the_public_that_it_is_genuine(installation, open_profile, number, code)


async def _desks_act(installation: Installation, page: Page, person: Person) -> None:
    """Lines turn where they stand, and a screen reader is told."""
    student_id = person.student_id or ""
    announcements = page.locator("#announcements")
    await expect(announcements).to_have_attribute("aria-live", "polite")
    before = await box(page, "#archives-thesis")
    await installation.operate("archives", "approved", student_id=student_id)
    await journey_data.shows(page, "archives-thesis", "通过")
    await expect(announcements).to_contain_text("档案馆 已变为 通过")
    await expect(page.locator("#archives-thesis .just-now")).to_contain_text("刚刚更新")
    after = await box(page, "#archives-thesis")
    assert after["y"] == before["y"], "a line that turns keeps its place"
    await installation.operate("library", "return", student_id=student_id, barcode="B0042871")
    await expect(announcements).to_contain_text("图书馆-图书借阅 有更新", timeout=journey_data.LONG_MS)
    await expect(announcements).to_contain_text("矿山压力")
    for charge in journey_data.CHARGES:
        await installation.operate(
            "finance", "payment", student_id=student_id, charge_id=charge["charge_id"], amount=charge["amount"]
        )
    await journey_data.shows(page, "finance-arrears", "通过")
    await installation.operate("dorm", "check-out", student_id=student_id, **journey_data.OUT)
    await journey_data.shows(page, "dorm-check-out", "通过")
    await expect(page.locator("#summary-title")).to_contain_text("4 项已通过，还差 1 项")
    await expect(page.locator(".task.blocked a").first).to_have_text("图书馆-图书借阅")
    assert await page.locator(".line h3").all_inner_texts() == [
        "图书馆-图书借阅",
        "图书馆-论文提交",
        "档案馆",
        "总务部公寓与物业中心",
        "财务处收费管理办公室",
    ], "the order stays"
    await announcements.get_by_role("button", name="关闭提示").click()
    assert await axe.violations(page) == []


async def _cancel_the_card(page: Page) -> None:
    await page.get_by_role("link", name="图书馆-图书借阅：注销").click()
    await expect(page.locator("main")).to_contain_text("注销后不能自行恢复")
    await page.get_by_role("button", name="确认注销").click()
    await expect(page).to_have_url(re.compile("/case#library-borrowing$"))
    await journey_data.shows(page, "library-borrowing", "通过")
    await expect(page.locator("#library-borrowing .facts")).to_contain_text("已注销")
    await expect(page.locator("#summary-title")).to_have_text("5 项全部通过", timeout=journey_data.LONG_MS)


async def _submit(installation: Installation, page: Page) -> None:
    """The round is shown as it happens: one department is late, and named."""
    await page.get_by_role("link", name="提交离校服务").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("确认提交离校服务")
    late = installation.processes["archives"]
    late.pause()
    try:
        await page.get_by_role("button", name="确认提交").click()
        await expect(page).to_have_url(re.compile("/case#submit$"))
        round_of = page.locator(".round li")
        await expect(round_of.nth(0)).to_have_text("图书馆已确认", timeout=journey_data.LONG_MS)
        await expect(round_of.nth(1)).to_have_text("等待档案馆确认…")
        await expect(page.locator("#summary-title")).to_have_text("已提交，正在请各部门确认")
        # Whoever closes the page now finds the same on coming back.
        await page.goto("/me")
        await page.goto("/case")
        await expect(round_of.nth(1)).to_have_text("等待档案馆确认…")
    finally:
        late.resume()


async def _view_and_print(page: Page, device: Device, number: str) -> None:
    await page.get_by_role("link", name="个人中心").click()
    title = "已完成" if device.touch else "已完成事项"
    assert await page.locator("#completed-title").inner_text() == title
    await page.locator("#completed").get_by_role("link", name="查看").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("离校流程单")
    form = await page.locator("article.form").inner_text()
    code = await page.locator(".form-code").inner_text()
    for words in (
        number,
        code,
        RARE,
        "已注销",
        "审核通过",
        "已审核",
        "梅苑2号楼",
        "纪小满",
        "没有欠费",
        "毕业证书、学位证书",
    ):
        assert words in form
    assert re.search(r"提交时间 \d{4}年\d{1,2}月\d{1,2}日 \d\d:\d\d:\d\d", form)
    assert await page.locator("article.form .verdict").all_inner_texts() == ["通过"] * 5
    assert (await box(page, ".code svg"))["width"] >= 200, "a phone held to a desk's scanner"
    await expect(page.get_by_role("button", name="打印离校流程单")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="下载 PDF").click()
    file = await (await download.value).path()
    for paper in (await page.pdf(prefer_css_page_size=True), file.read_bytes()):
        sheets = list(extract_pages(io.BytesIO(paper)))
        assert len(sheets) == 1, "one page of A4"
        assert (round(sheets[0].width), round(sheets[0].height)) == A4_POINTS
        printed = _words(sheets[0])
        for words in (number, code, "中国矿业大学", "离校流程单"):
            assert words in printed
        for words in ("个人中心", "打印离校流程单", "English"):
            assert words not in printed


async def _return_directly(
    installation: Installation, open_profile: Open, device: Device, person: Person, number: str
) -> None:
    """Later, in another browser: the address of the form is enough."""
    page = await (await open_profile(device, address=installation.address(GATEWAY))).new_page()
    await page.goto("/completed")
    await journey_data.choose_person(page, person)
    await expect(page).to_have_url(f"{installation.address(GATEWAY)}/completed")
    await expect(page.locator(".form-head .form-number").first).to_have_text(number)


async def _a_new_debt_leaves_the_form_as_it_is(
    installation: Installation, page: Page, person: Person, number: str
) -> None:
    charge = {"charge_id": "C-9", "year": "2026", "name": "水电费", "amount": "12.00"}
    await journey_data.when_free(installation, "finance", "charge", student_id=person.student_id or "", **charge)
    await installation.in_step("finance")
    lines = await page.locator("article.form .line").all_inner_texts()
    told = page.locator(".caution-box", has_text="财务处收费管理办公室：有 1 项欠费，共 12.00 元")

    async def is_told() -> bool:
        await page.reload()
        return await told.is_visible()

    await eventually(is_told, what="the form's page to tell of the new debt")
    assert await page.locator("article.form .line").all_inner_texts() == lines
    await expect(page.locator(".form-head .form-number").first).to_have_text(number)


async def _the_desk_sees_the_debt_and_the_public_that_it_is_genuine(
    installation: Installation, open_profile: Open, number: str, code: str
) -> None:
    page = await (await open_profile(PC, address=installation.address(GATEWAY))).new_page()
    await page.goto("/verify")
    await page.get_by_label("表单编号").fill(number)
    await page.get_by_label("核验码").fill(code)
    await page.get_by_role("button", name="核验").click()
    await expect(page.locator(".checked-verdict")).to_have_text("真实")
    await page.goto("/desk")
    await page.get_by_role("searchbox").fill(journey_data.CLERK.name)
    await page.get_by_role("button", name="查找").click()
    await page.get_by_role("button", name=journey_data.CLERK.name).click()
    await page.get_by_label("扫描二维码，或输入表单编号").fill(number)
    await page.keyboard.press("Enter")
    await expect(page.locator(".checked-verdict")).to_have_text("提交后有新增未办事项")
    await expect(page.locator(".exception")).to_contain_text("12.00")
    await page.locator("input[name=confirm]").check()
    await page.get_by_label("仍然发放的理由").fill("已向部门核实")
    await page.get_by_role("button", name="登记领取").click()
    again = page.get_by_role("button", name="查看结果")
    done = page.locator(".checked-verdict", has_text="已登记领取")
    await expect(again.or_(done)).to_be_visible()

    async def handed_over() -> bool:
        if await again.is_visible():
            await again.click()
            await page.wait_for_load_state()
        return await done.is_visible()

    await eventually(handed_over, what="the hand-over to be written down")
    await expect(page.locator(".handed")).to_contain_text(number)


def _words(sheet: LTPage) -> str:
    # Chromium writes 大 as the radical ⼤ that has the same shape.
    words = "".join(one.get_text() for one in sheet if isinstance(one, LTTextContainer))
    return unicodedata.normalize("NFKC", words)
