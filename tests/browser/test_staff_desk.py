"""A library clerk at the desk by keyboard and scanner, on a phone and on a PC."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.names import GRADUATE_SCHOOL
from services.kit.postgres.migrations import migrate
from tests.browser.conftest import Open
from tests.support.browser.chromium import PC, PHONE, Device
from tests.support.browser.staff_pages import SHOTS, looked_at, scan, signed_in
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import RunningGateway, running_gateway
from tests.support.gateway.staff import addresses, clerk, served_desks
from tests.support.samples import case_samples
from tests.support.servers.fixtures import DatabaseMaker
from tests.support.waiting import eventually

CLERK = clerk("library", "finance", name="周若溪")
SCHOOL = Person(sub="school", name="顾长宁", roles=(GRADUATE_SCHOOL,))
STUDENTS = {
    f"{device}-{language}": Person(sub=f"student-{device}-{language}", name="纳兰容", student_id=new_student_id())
    for device in (PHONE, PC)
    for language in ("zh", "en")
}


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with (
        served_desks({name: await make_database(name) for name in ("library", "finance")}) as served,
        running_gateway(database, read_model, (CLERK, SCHOOL, *STUDENTS.values()), desks=addresses(served)) as running,
    ):
        yield running


async def opened(
    gateway: RunningGateway,
    open_profile: Open,
    device: Device,
    language: str = "zh",
    *,
    person: Person | None = None,
    scripts: bool = True,
) -> Page:
    """At the first page of the person, the clerk by default."""
    place = "case" if person and person.student_id else "progress" if person else "staff"
    address = "" if person else "/staff/library"
    return await signed_in(
        gateway, open_profile, device, person or CLERK, place, language=language, scripts=scripts, address=address
    )


@pytest.mark.acceptance("D-001", "D-002", "D-003", "D-004", "D-010")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_clerk_finds_a_student_lends_takes_back_and_goes_on_to_the_next(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    clearance, number, other = ReadModelWriter(gateway.read_model), new_student_id(), new_student_id()
    for one, name in ((number, "端木清扬"), (other, "令狐采薇")):
        await clearance.put_case(one, name=name)
        reasons = [Reason(code="books-not-returned", parameters={"count": 1}), Reason(code="debt-open")]
        await clearance.put_status(one, "library", [case_samples.check("borrowing", {}, *reasons)])
    page = await opened(gateway, open_profile, device)
    await page.locator(".tag", has_text="有书未还").first.wait_for()
    await looked_at(page, "list", device)

    await scan(page, number)
    await page.get_by_role("heading", name="端木清扬").wait_for()
    await looked_at(page, "record", device)
    await page.locator("summary", has_text="借出图书").click()
    form = page.locator("details[open] form")
    await form.get_by_label("条码号").fill(f"B-{number}")
    await form.get_by_label("题名").fill("矿山压力")
    await form.get_by_role("button").click()
    await page.locator(".wrong", has_text="请填写此项").wait_for()
    await looked_at(page, "field", device)
    await page.get_by_label("应还日期").fill("2026-06-20")
    await page.locator("details[open] form").get_by_role("button").click()
    await page.get_by_role("status").filter(has_text="已办理：借出图书").wait_for()
    await looked_at(page, "lent", device)

    await page.get_by_role("button", name="注销借书证").click()
    await page.get_by_text("暂不能注销：未还图书 1 册").first.wait_for()
    await looked_at(page, "refused", device)
    await page.get_by_role("button", name="归还图书").click()
    await page.get_by_role("status").filter(has_text="已办理：归还图书").wait_for()
    await scan(page, other)
    await page.get_by_role("heading", name="令狐采薇").wait_for()


@pytest.mark.acceptance("D-006")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_clerk_undoes_what_was_done_by_mistake_and_reads_why_something_cannot_be_undone(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    number = new_student_id()
    await ReadModelWriter(gateway.read_model).put_case(number, name="司空见")
    page = await opened(gateway, open_profile, device)
    await scan(page, number)
    await page.locator("summary", has_text="登记罚款").click()
    form = page.locator("details[open] form")
    await form.get_by_label("罚款编号").fill("F-1")
    await form.get_by_label("金额").fill("3.50")
    await form.get_by_role("button").click()
    await page.get_by_role("status").filter(has_text="已办理：登记罚款").wait_for()
    await page.locator(".checked .undo summary").click()
    await looked_at(page, "undo", device)
    await page.locator(".checked").get_by_label("撤销原因").fill("看错了一行")
    await page.get_by_role("button", name="撤销：登记罚款").first.click()
    await page.get_by_role("status").filter(has_text="已撤销").wait_for()
    await page.get_by_text("原因：看错了一行").wait_for()
    await page.get_by_role("button", name="注销借书证").click()
    await page.get_by_role("button", name="办理借书证").click()
    await page.get_by_text("不能撤销：如需收回，请办理“注销借书证”。").wait_for()
    await looked_at(page, "undone", device)


@pytest.mark.acceptance("D-007")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_clerk_leaves_a_note_for_the_others_of_the_office(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    number = new_student_id()
    await ReadModelWriter(gateway.read_model).put_case(number, name="欧阳晓")
    page = await opened(gateway, open_profile, device)
    await scan(page, number)
    await page.locator("summary", has_text="写备注").click()
    await page.get_by_label("备注（只有本部门工作人员可见").fill("家长代办，\n周五来取。")
    await page.get_by_role("button", name="保存备注").click()
    await page.get_by_role("status").filter(has_text="备注已保存").wait_for()
    await page.get_by_text("周五来取。").wait_for()
    await looked_at(page, "note", device)


@pytest.mark.acceptance("N-003")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_student_says_a_line_is_wrong_and_the_clerks_answer_comes_up_at_it(
    gateway: RunningGateway, open_profile: Open, device: Device, language: str
) -> None:
    words = {
        "zh": ("认为有误？提出异议", "异议内容", "提交异议", "等待图书馆答复", "已核实，请今天再看。"),
        "en": ("Is this wrong? Say so", "What is wrong", "Send", "has not answered yet", "It is settled now."),
    }
    ask, label, send, waiting, reply = words[language]
    person, clearance = STUDENTS[f"{device}-{language}"], ReadModelWriter(gateway.read_model)
    number = person.student_id or ""
    await clearance.put_case(number, name=person.name)
    await clearance.all_clear(number)
    facts = {"unreturned_count": 1, "debt": "0.00", "violation_count": 0, "card": "active"}
    owed = case_samples.check("borrowing", facts, Reason(code="books-not-returned", parameters={"count": 1}))
    approved = case_samples.check("thesis", {"thesis": "approved"})
    await clearance.put_status(number, "library", [owed, approved], version=2)
    student = await opened(gateway, open_profile, device, language, person=person)
    line = student.locator("#library-borrowing")
    await line.get_by_role("link", name=ask).click()
    await student.get_by_label(label).fill("书已于 6 月 2 日归还，有回执。")
    await looked_at(student, f"comment-{language}", device)
    await student.get_by_role("button", name=send).click()
    await line.get_by_text(waiting).wait_for()
    await looked_at(student, f"comment-waiting-{language}", device)

    clerk_page = await opened(gateway, open_profile, device, language)
    await clerk_page.goto("/staff/library?comment=open")
    await clerk_page.locator(".tag.said").first.wait_for()
    await looked_at(clerk_page, f"comment-list-{language}", device)
    await scan(clerk_page, number)
    await clerk_page.locator(".comment.open textarea").fill(reply)
    await looked_at(clerk_page, f"comment-record-{language}", device)
    await clerk_page.locator(".comment.open button").click()
    await clerk_page.get_by_role("status").wait_for()
    await expect(line.get_by_text(reply)).to_be_visible(timeout=20_000)
    await looked_at(student, f"comment-answered-{language}", device)


@pytest.mark.acceptance("D-009")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_clerk_takes_what_is_listed_as_a_file_and_prints_it(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    clearance, college = ReadModelWriter(gateway.read_model), f"打印学院{device}"
    names = [f"上官{number:02}" for number in range(3)]
    for name in names:
        number = new_student_id()
        await clearance.put_case(number, name=name, college=college)
        await clearance.put_status(number, "library", [case_samples.check("borrowing", {}, Reason(code="debt-open"))])
    page = await opened(gateway, open_profile, device)
    await page.goto(f"/staff/library?college={college}")
    async with page.expect_download() as taken:
        await page.get_by_role("link", name="CSV").click()
    file = await (await taken.value).path()
    assert [name for name in names if name not in file.read_text("utf-8-sig")] == []
    await page.get_by_role("link", name="打印名单").click()
    await page.get_by_role("button", name="打印").wait_for()
    await looked_at(page, "print", device)
    await page.emulate_media(media="print")
    await expect(page.locator(".top")).to_be_hidden()
    await expect(page.get_by_role("button", name="打印")).to_be_hidden()
    await expect(page.get_by_text(names[-1])).to_be_visible()
    if SHOTS:
        await page.pdf(path=Path(SHOTS) / f"printed-{device}.pdf", prefer_css_page_size=True)


@pytest.mark.acceptance("D-005")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_clerk_takes_those_selected_in_the_list_through_one_operation(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    clearance = ReadModelWriter(gateway.read_model)
    names = (f"东方不言{device}", f"东方如许{device}")
    for name in names:
        number = new_student_id()
        await clearance.put_case(number, name=name)
        await clearance.put_status(number, "library", [case_samples.check("borrowing", {}, Reason(code="debt-open"))])
    page = await opened(gateway, open_profile, device)
    for name in names:
        await page.get_by_label(f"选择{name}").check()
    await page.get_by_role("button", name="批量办理").click()
    await page.get_by_label("收到论文").check()
    await looked_at(page, "mass", device)
    await page.get_by_role("button", name="下一步").click()
    await page.get_by_text("为 2 名学生办理“收到论文”").first.wait_for()
    await looked_at(page, "mass-look", device)
    await page.get_by_role("button", name="为 2 名学生办理").click()
    await page.locator(".result.changed").nth(1).wait_for()
    await looked_at(page, "mass-results", device)


@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_pages_are_in_english_too(gateway: RunningGateway, open_profile: Open, device: Device) -> None:
    page = await opened(gateway, open_profile, device, "en")
    await page.get_by_role("heading", name="Library").wait_for()
    await looked_at(page, "list-en", device)
    await scan(page, new_student_id())
    await page.get_by_text("The roster does not have this number").wait_for()
    await looked_at(page, "record-en", device)
    await scan(page, "nobody at all")
    await page.get_by_text("was not found").wait_for()
    await looked_at(page, "nobody-en", device)
    await page.goto("/staff")
    await page.get_by_role("link", name="Library").wait_for()
    await looked_at(page, "desks-en", device)


@pytest.mark.acceptance("D-008")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_clerk_tries_a_file_in_another_tab_imports_it_and_reads_what_was_refused(
    gateway: RunningGateway, open_profile: Open, device: Device, tmp_path: Path
) -> None:
    page = await opened(gateway, open_profile, device)
    file = tmp_path / "归还名单.csv"
    file.write_text(f"student_id,card\n{new_student_id()},cancelled\n{new_student_id()},弄丢了\n", "utf-8")
    await page.get_by_role("link", name="导入文件").click()
    await page.set_input_files("#file", file)
    await looked_at(page, "imports", device)
    async with page.context.expect_page() as tab:
        await page.get_by_role("button", name="先试一试").click()
    tried = await tab.value
    await tried.get_by_text("未改动数据").wait_for()
    await looked_at(tried, "import-preview", device)
    await tried.close()
    await page.get_by_role("button", name="导入", exact=True).click()
    await page.get_by_text("已完成").wait_for()
    await page.get_by_role("heading", name="被拒绝的行").wait_for()
    await looked_at(page, "import-job", device)


@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_graduate_school_goes_from_the_whole_to_a_college_s_list(
    gateway: RunningGateway, open_profile: Open, device: Device
) -> None:
    clearance = ReadModelWriter(gateway.read_model)
    for name, state in (("百里奚", "open"), ("公孙衍", "completed")):
        number = new_student_id()
        await clearance.put_case(number, name=name, college="力学与土木工程学院", state=state)
        if state == "open":
            reasons = [Reason(code="books-not-returned", parameters={"count": 1})]
            await clearance.put_status(number, "library", [case_samples.check("borrowing", {}, *reasons)])
    page = await opened(gateway, open_profile, device, person=SCHOOL)
    await page.get_by_role("heading", name="卡在哪里").wait_for()
    await looked_at(page, "progress", device)
    await page.get_by_role("link", name="力学与土木工程学院").click()
    await page.get_by_text("百里奚").first.wait_for()
    await looked_at(page, "progress-students", device)


@pytest.mark.acceptance("S-004")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_clerks_whole_day_works_without_scripts(
    gateway: RunningGateway, open_profile: Open, device: Device, tmp_path: Path
) -> None:
    """By keyboard at the search box; all else by forms and links."""
    clearance, number, other = ReadModelWriter(gateway.read_model), new_student_id(), new_student_id()
    college = f"无脚本学院{device}"
    for one, name in ((number, "皇甫端"), (other, "慕容雪")):
        await clearance.put_case(one, name=name, college=college)
        await clearance.put_status(one, "library", [case_samples.check("borrowing", {}, Reason(code="debt-open"))])
    page = await opened(gateway, open_profile, device, scripts=False)
    await page.goto(f"/staff/library?college={college}")
    await page.get_by_label("排序").select_option("number")
    await page.get_by_role("button", name="筛选").click()
    await expect(page.locator(".work tbody tr")).to_have_count(2)
    await scan(page, number)
    done = page.get_by_role("status")
    await page.locator("summary", has_text="登记罚款").click()
    form = page.locator("details[open] form")
    await form.get_by_label("罚款编号").fill("F-1")
    await form.get_by_label("金额").fill("3.50")
    await form.get_by_role("button").click()
    await expect(done).to_contain_text("已办理：登记罚款")
    await page.locator(".checked .undo summary").click()
    await page.locator(".checked").get_by_label("撤销原因").fill("看错了一行")
    await page.get_by_role("button", name="撤销：登记罚款").first.click()
    await expect(done).to_contain_text("已撤销")
    await page.locator("summary", has_text="写备注").click()
    await page.get_by_label("备注（只有本部门工作人员可见").fill("周五再来。")
    await page.get_by_role("button", name="保存备注").click()
    await expect(done).to_contain_text("备注已保存")
    await page.get_by_role("button", name="注销借书证").click()
    await expect(done).to_contain_text("已办理：注销借书证")
    await scan(page, other)
    await expect(page.get_by_role("heading", name="慕容雪")).to_be_visible()

    await page.goto(f"/staff/library?college={college}")
    for name in ("皇甫端", "慕容雪"):
        await page.get_by_label(f"选择{name}").check()
    await page.get_by_role("button", name="批量办理").click()
    await page.get_by_label("收到论文").check()
    await page.get_by_role("button", name="下一步").click()
    await page.get_by_role("button", name="为 2 名学生办理").click()
    await expect(page.locator(".result.changed")).to_have_count(2)
    await page.goto(f"/staff/library?college={college}")
    await page.get_by_role("link", name="打印名单").click()
    await expect(page.locator("noscript p")).to_be_visible()
    await page.get_by_role("link", name="返回名单").click()

    file = tmp_path / "归还名单.csv"
    file.write_text(f"student_id,card\n{number},cancelled\n{other},弄丢了\n", "utf-8")
    await page.get_by_role("link", name="导入文件").click()
    await page.set_input_files("#file", file)
    await page.get_by_role("button", name="导入", exact=True).click()

    async def imported() -> bool:
        again = page.get_by_role("link", name="刷新")
        if await again.count():
            await again.click()
        return await page.get_by_role("heading", name="被拒绝的行").count() == 1

    await eventually(imported, what="the file to be imported", timeout_s=60)
    await page.get_by_role("button", name="退出").click()
    await page.get_by_role("button", name="同时退出统一身份认证").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("已退出")
    await expect(page).to_have_url(re.compile("/signed-out.state=everywhere$"))
