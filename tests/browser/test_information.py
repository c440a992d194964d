"""The information page: where things stand on a PC and on a phone, verdicts in colour and word, what can be done."""

import re
from itertools import pairwise

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.support.browser.chromium import PC, PHONE, TABLET, Device, box, sideways
from tests.support.browser.scene_setter import SceneSetter
from tests.support.browser.scenes import BY_NAME
from tests.support.browser.student_states import RARE

LINES = ("library-borrowing", "library-thesis", "archives-thesis", "dorm-check-out", "finance-arrears")
TITLES = ["图书馆-图书借阅", "图书馆-论文提交", "档案馆", "总务部公寓与物业中心", "财务处收费管理办公室"]
ON_PC = (("name", "student_id", "gender"), ("grade", "college", "major"), ("enrolled_on", "leave_category"))
ON_PHONE = ("姓名", "学号", "性别", "学院", "专业", "入学日期", "现在年级", "离校类别")
PHONES = {
    "library-borrowing": ("0516-83592019", "0516-83591210"),
    "library-thesis": ("0516-83592058", "0516-83592099"),
    "archives-thesis": ("0516-83592101",),
    "dorm-check-out": ("0516-83590327",),
    "finance-arrears": ("0516-83590233",),
}


async def opened(scenes: SceneSetter, open_profile: Open, device: Device, scene: str, address: str = "/case") -> Page:
    actor = await scenes.play(BY_NAME[scene])
    assert actor is not None
    context = await open_profile(device, address=scenes.address(BY_NAME[scene]), cookies=actor.cookies)
    page = await context.new_page()
    await page.goto(address)
    return page


@pytest.mark.acceptance("S-030", "S-031", "S-032", "S-036")
async def test_on_a_pc_the_basics_have_three_columns_and_verdicts_are_at_the_left(
    scenes: SceneSetter, open_profile: Open
) -> None:
    page = await opened(scenes, open_profile, PC, "case-blocked")
    assert await page.title() == "研究生离校信息查询 · 中国矿业大学"
    assert await page.locator("h2.section").all_inner_texts() == ["基本信息", "离校审核事项", "提交"]
    rows = [[await box(page, f".at-{slot}") for slot in row] for row in ON_PC]
    for row in rows:
        assert len({round(cell["y"]) for cell in row}) == 1, "one row, one height"
        for left, right in pairwise(row):
            assert left["right"] <= right["x"]
    for above, below in pairwise(rows):
        assert above[0]["bottom"] <= below[0]["y"]
        assert [round(cell["x"]) for cell in below] == [round(cell["x"]) for cell in above][: len(below)]
    applied, head, main = await box(page, ".applied"), await box(page, "h1"), await box(page, ".basics-box")
    assert applied["right"] == pytest.approx(main["right"], abs=1)
    assert applied["y"] < main["y"]
    assert applied["x"] > head["right"]
    assert re.fullmatch(r"申请时间 \d{4}年\d{1,2}月\d{1,2}日", await page.locator(".applied").inner_text())
    assert await page.locator(".line h3").all_inner_texts() == TITLES
    for line in LINES:
        name, verdict, body = [await box(page, f"#{line} {part}") for part in ("h3", ".verdict", ".line-body")]
        assert max(name["right"], verdict["right"]) <= body["x"]
        assert verdict["x"] == name["x"]
    assert await sideways(page) == 0


@pytest.mark.acceptance("S-030", "S-031", "S-033", "S-036")
async def test_on_a_phone_there_is_one_column_and_the_verdict_is_in_the_heading(
    scenes: SceneSetter, open_profile: Open
) -> None:
    page = await opened(scenes, open_profile, PHONE, "case-blocked")
    await page.locator(".basics-fold summary").click()
    places = [await one.bounding_box() for one in await page.locator(".basics-fold dl > div").all()]
    assert len({round(place["x"]) for place in places if place}) == 1
    tops = [place["y"] for place in places if place]
    assert tops == sorted(set(tops))
    assert await page.locator(".basics-fold dt").all_inner_texts() == list(ON_PHONE)
    applied = await box(page, ".applied")
    assert applied["right"] == pytest.approx(390 - 16, abs=1)
    assert applied["bottom"] < (await box(page, "#summary"))["y"]
    for line in LINES:
        head, name, verdict = [await box(page, f"#{line} {part}") for part in (".line-head", "h3", ".verdict")]
        assert head["y"] < verdict["y"] < verdict["bottom"] < head["bottom"]
        assert name["right"] <= verdict["x"]
        body = await box(page, f"#{line} .line-body")
        assert body["y"] >= head["bottom"]
        for row in await page.locator(f"#{line} .facts > div, #{line} .rows tr:not(.total) td:visible").all():
            place = await row.bounding_box()
            assert place is None or place["width"] > 300, "label and value share a row of their own"
    assert await page.locator("#library-borrowing dt .on-phone").all_inner_texts() == [
        "图书-未还册数",
        "欠款金额(元)",
        "违章状态",
        "证件状态",
    ]


@pytest.mark.acceptance("S-033", "S-036", "S-090")
async def test_on_a_phone_the_first_screen_has_what_is_to_do_and_the_bar_only_when_it_can_be_pressed(
    scenes: SceneSetter, open_profile: Open
) -> None:
    page = await opened(scenes, open_profile, PHONE, "case-blocked")
    for task in await page.locator(".task").all():
        place = await task.bounding_box()
        assert place is not None
        assert place["y"] + place["height"] <= 844
    assert (await box(page, "#submit"))["y"] > 844, "no bar that cannot be pressed lies over the items"
    fold = page.locator(".basics-fold")
    await expect(fold.locator("summary")).to_contain_text(RARE)
    assert (await box(page, ".basics-fold"))["bottom"] - (await box(page, ".basics-fold"))["y"] < 60
    await expect(fold.locator("dl")).to_be_hidden()
    page = await opened(scenes, open_profile, PHONE, "case-nearly")
    assert (await box(page, "#library-borrowing .line-head"))["bottom"] <= 844, "an item is on the first screen"
    page = await opened(scenes, open_profile, PHONE, "case-clear")
    bar = await box(page, "#submit")
    assert bar["bottom"] <= 844
    assert bar["y"] > 600, "the button is where the thumb is"


@pytest.mark.acceptance("S-040")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_summary_is_a_list_of_what_is_to_do_with_whose_turn_each_is(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    page = await opened(scenes, open_profile, device, "case-nearly")
    await expect(page.locator(".meter")).to_contain_text("已通过 4/5")
    await expect(page.locator("#summary .next")).to_have_text("等待部门 1 项")
    tasks = page.get_by_role("list", name="待办清单").get_by_role("listitem")
    await expect(tasks).to_contain_text(TITLES)
    await expect(page.locator(".task.clear")).to_contain_text(["通过"] * 4)
    open_one = page.locator(".task.blocked")
    for words in ("等待部门", "图书馆正在审核论文，请等待。", "0516-83592058"):
        await expect(open_one).to_contain_text(words)
    line = page.locator("#library-thesis .line-head")
    await expect(line.locator(".verdict")).to_have_text("未通过")
    await expect(line.locator(".turn")).to_have_text("等待部门")
    await expect(page.locator("#archives-thesis .turn")).to_have_count(0)
    page = await opened(scenes, open_profile, device, "case-blocked")
    await expect(page.locator("#summary .next")).to_have_text("需要您办理 4 项 · 等待部门 1 项")
    await expect(page.locator("#finance-arrears .turn")).to_have_text("需您办理")
    await expect(page.locator("#archives-thesis .turn")).to_have_text("等待部门")


@pytest.mark.acceptance("S-037")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_verdicts_have_a_colour_a_word_and_a_shape(scenes: SceneSetter, open_profile: Open, scheme: str) -> None:
    expected = {"clear": ("通过", "green"), "blocked": ("未通过", "red"), "waiting": ("待同步", "grey")}
    seen = set()
    for scene in ("case-blocked", "case-nearly", "case-waiting"):
        page = await opened(scenes, open_profile, PC, scene)
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for line in await page.locator(".line").all():
            state = await line.get_attribute("data-state") or ""
            word, hue = expected[state]
            verdict = line.locator(".verdict")
            assert await verdict.inner_text() == word
            assert await verdict.locator("svg").count() == 1
            assert _hue(await verdict.evaluate("one => getComputedStyle(one).backgroundColor")) == hue
            seen.add(state)
    assert seen == set(expected)


@pytest.mark.acceptance("S-037")
async def test_a_check_without_a_status_is_grey_and_cannot_be_submitted(
    scenes: SceneSetter, open_profile: Open
) -> None:
    page = await opened(scenes, open_profile, PHONE, "case-waiting")
    await expect(page.locator(".line .verdict")).to_have_text(["待同步"] * 5)
    await expect(page.locator("#summary-title")).to_contain_text("正在等待各部门的数据")
    await expect(page.locator("#archives-thesis .todo")).to_contain_text("档案馆的数据尚未同步，暂不能判定是否通过。")
    await expect(page.get_by_role("link", name="提交离校服务")).to_have_attribute("aria-disabled", "true")


@pytest.mark.acceptance("S-037", "S-038")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_first_page_is_grey_and_names_whose_data_is_missing_and_whom_to_ask(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    page = await opened(scenes, open_profile, device, "case-no-data")
    await expect(page.locator(".line .verdict")).to_have_text(["待同步"] * 5)
    await expect(page.locator("#summary-title")).to_contain_text("正在等待各部门的数据")
    await expect(page.locator("#summary")).to_contain_text("尚未收到图书馆、档案馆")
    for line, phones in PHONES.items():
        await expect(page.locator(f"#{line} .todo")).to_contain_text("关于您的数据，暂不能判定是否通过")
        assert tuple(await page.locator(f"#{line} a.tel").all_inner_texts()) == phones
    for promise in ("没有欠费", "未在校住宿", "总计欠款"):
        await expect(page.locator("main")).not_to_contain_text(promise)
    await expect(page.get_by_role("link", name="提交离校服务")).to_have_attribute("aria-disabled", "true")
    assert await sideways(page) == 0


@pytest.mark.acceptance("S-037", "S-038")
async def test_a_late_department_and_a_refused_row_keep_the_page_from_passing(
    scenes: SceneSetter, open_profile: Open
) -> None:
    page = await opened(scenes, open_profile, PHONE, "case-in-question")
    await expect(page.locator("#summary-title")).to_contain_text("3 项已通过，2 项待同步")
    await expect(page.locator("#archives-thesis .todo")).to_contain_text("尚未收到档案馆关于您的数据")
    await expect(page.locator("#finance-arrears .todo")).to_contain_text("有一条关于您的数据未能录入，正在核实")
    await expect(page.locator("#finance-arrears")).not_to_contain_text("没有欠费")
    await expect(page.get_by_role("link", name="提交离校服务")).to_have_attribute("aria-disabled", "true")


@pytest.mark.acceptance("S-082")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_arrears_are_listed_with_their_exact_total(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    page = await opened(scenes, open_profile, device, "case-blocked")
    table = page.locator("#finance-arrears table")
    heads = ["学号", "收费学年", "收费项目名称", "总欠款"]
    assert await table.locator("thead th").all_text_contents() == heads
    assert await table.locator("tbody tr:not(.total) td:last-child").all_text_contents() == ["60.00", "550.00", "72.40"]
    await expect(table.locator(".total")).to_have_text(re.compile(r"总计欠款\(元\)\s*682\.40"))
    notice, total = await box(page, "#finance-arrears .notice"), await box(page, "#finance-arrears .total")
    assert notice["y"] >= total["bottom"]
    # The guide's figure is of the class of 2020; the year is configuration.
    await expect(page.locator("#finance-arrears .notice")).to_have_text("2026届毕业生缴纳学费通知")
    await expect(page.locator("#finance-arrears .notice a")).to_have_count(0)
    rooms = page.locator("#dorm-check-out table")
    assert await rooms.locator("thead th").all_text_contents() == ["校区", "楼宇", "房间号", "退宿日期", "退宿办理人"]
    await expect(page.locator("#dorm-check-out .todo")).to_contain_text("请在各宿舍公寓管理员处办理退宿")


@pytest.mark.acceptance("S-082")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_student_without_arrears_sees_a_total_of_zero(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    page = await opened(scenes, open_profile, device, "case-clear")
    line = page.locator("#finance-arrears")
    await expect(line.locator(".empty")).to_have_text("没有欠费")
    await expect(line.locator("tbody tr")).to_have_count(1)
    await expect(line.locator(".total")).to_have_text(re.compile(r"总计欠款\(元\)\s*0\.00"))
    await expect(page.locator("#dorm-check-out tbody tr")).to_have_count(1)


@pytest.mark.acceptance("S-084")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_every_item_has_a_phone_link(scenes: SceneSetter, open_profile: Open, device: Device) -> None:
    page = await opened(scenes, open_profile, device, "case-blocked")
    for line, phones in PHONES.items():
        links = page.locator(f"#{line} a.tel")
        assert tuple(await links.all_inner_texts()) == phones
        for link, phone in zip(await links.all(), phones, strict=True):
            assert await link.get_attribute("href") == f"tel:{phone.replace('-', '')}"
            place = await link.bounding_box()
            assert place is not None
            assert place["height"] >= 44


@pytest.mark.acceptance("S-041")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_card_is_cancelled_only_when_nothing_else_is_open_and_after_a_warning(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    button = "图书馆-图书借阅：注销"
    for scene in ("case-blocked", "case-clear", "case-waiting", "case-done"):
        page = await opened(scenes, open_profile, device, scene)
        await expect(page.get_by_role("link", name=button)).to_have_count(0)
    page = await opened(scenes, open_profile, device, "case-card")
    await page.get_by_role("link", name=button).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("确认注销")
    await expect(page.locator("main")).to_contain_text("注销后不能自行恢复")
    await page.get_by_role("link", name="返回").click()
    await expect(page.locator("#library-borrowing")).to_contain_text(
        "请点击“注销”注销借书证；如无法注销，请联系图书馆。"
    )
    await expect(page.get_by_role("link", name=button)).to_be_visible()


@pytest.mark.acceptance("S-042")
async def test_a_refused_cancellation_says_why_and_whom_to_call(scenes: SceneSetter, open_profile: Open) -> None:
    page = await opened(scenes, open_profile, PHONE, "case-card-refused")
    line = page.locator("#library-borrowing")
    await expect(line.locator(".command-note")).to_have_text("注销未成功：还有 1 册图书未还，请到图书馆归还。")
    await expect(line.locator("a.tel").first).to_have_attribute("href", "tel:051683592019")


@pytest.mark.acceptance("S-090", "S-091")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_submission_with_open_items_says_which_are_open_why_and_whom_to_ask(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    page = await opened(scenes, open_profile, device, "case-blocked")
    button = page.get_by_role("link", name="提交离校服务")
    await expect(button).to_have_attribute("aria-disabled", "true")
    assert all([title in await page.locator("#missing").inner_text() for title in TITLES])
    # `click` waits until a link is enabled, and this one says that it is not: a finger does not wait.
    await button.dispatch_event("click")
    await expect(page.get_by_role("heading", level=1)).to_have_text("还不能提交离校服务")
    items = page.locator(".open-list li")
    await expect(items).to_have_count(5)
    for item, title, words, phone in (
        (0, "图书馆-图书借阅", "还有 2 册图书未还，请到图书馆归还。", "0516-83592019"),
        (2, "档案馆", "尚未同步", "0516-83592101"),
        (4, "财务处收费管理办公室", "共 682.40 元", "0516-83590233"),
    ):
        for said in (title, words, phone):
            await expect(items.nth(item)).to_contain_text(said)
    await items.nth(4).get_by_role("link", name=TITLES[4]).click()
    await expect(page).to_have_url(re.compile("/case#finance-arrears$"))
    await expect(page.locator("#finance-arrears")).to_be_in_viewport()


async def test_the_answer_stands_first_and_links_to_the_first_open_item(
    scenes: SceneSetter, open_profile: Open
) -> None:
    page = await opened(scenes, open_profile, PHONE, "case-nearly")
    await expect(page.locator("#summary-title")).to_have_text("4 项已通过，还差 1 项")
    await page.locator("#summary a").first.click()
    line = await box(page, "#library-thesis")
    assert 0 <= line["y"] < line["bottom"] < 844, "the line is seen whole"


async def test_when_a_line_was_true_and_heard_is_said_with_the_exact_instants_on_demand(
    scenes: SceneSetter, open_profile: Open
) -> None:
    page = await opened(scenes, open_profile, PC, "case-blocked")
    fresh = page.locator("#finance-arrears .fresh")
    assert re.fullmatch(r"数据更新于 \d\d:\d\d", (await fresh.locator("summary").inner_text()).strip())
    await expect(fresh.locator(".exact")).to_be_hidden()
    await fresh.locator("summary").click()
    await expect(fresh.locator(".exact")).to_contain_text(re.compile(r"\d{4}年\d{1,2}月\d{1,2}日 \d\d:\d\d:\d\d"))


async def test_rare_characters_are_drawn_each_with_a_shape_of_its_own(scenes: SceneSetter, open_profile: Open) -> None:
    page = await opened(scenes, open_profile, PC, "case-blocked")
    await expect(page.locator(".at-name dd")).to_have_text(RARE)
    # A font without the character draws every missing one alike.
    drawn = await page.evaluate(
        """characters => characters.map(character => {
            const canvas = document.createElement("canvas");
            canvas.width = canvas.height = 64;
            const pen = canvas.getContext("2d");
            pen.font = "48px " + getComputedStyle(document.body).fontFamily;
            pen.fillText(character, 4, 52);
            return canvas.toDataURL();
        })""",
        [*"䶮㛃𠮷𬭚", "\U000e0fff", "\U000e0ffe"],
    )
    assert len(set(drawn[:4])) == 4
    assert not set(drawn[:4]) & set(drawn[4:])


@pytest.mark.parametrize("scene", ["guide-kept", "case-blocked", "submit-refused", "completed", "me"])
@pytest.mark.parametrize("width", [320, 640])
async def test_enlarged_four_times_or_twice_nothing_needs_scrolling_sideways(
    scenes: SceneSetter, open_profile: Open, scene: str, width: int
) -> None:
    """1280 px at 400 % are 320 px to the page, and at 200 % 640 px (WCAG 1.4.10)."""
    page = await opened(scenes, open_profile, Device("zoomed", width, 512), scene, BY_NAME[scene].address)
    assert await sideways(page) == 0
    cut: list[str] = await page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter(one => one.getClientRects().length
            && !one.closest(".unseen, thead, svg") && getComputedStyle(one).position != "absolute"
            && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .map(one => one.outerHTML.slice(0, 120))"""
    )
    assert cut == []


@pytest.mark.parametrize("device", [PHONE, TABLET], ids=str)
async def test_with_motion_unwanted_nothing_moves(scenes: SceneSetter, open_profile: Open, device: Device) -> None:
    page = await opened(scenes, open_profile, device, "case-asked")
    waiting = page.locator(".round .waiting .shape").first
    assert await waiting.evaluate("one => getComputedStyle(one).animationName") == "breathe"
    await page.emulate_media(reduced_motion="reduce")
    assert await page.evaluate("document.getAnimations().length") == 0


def _hue(color: str) -> str:
    red, green, blue = [int(part) for part in re.findall(r"\d+", color)[:3]]
    if max(red, green, blue) - min(red, green, blue) < 32:
        return "grey"
    return "green" if green == max(red, green, blue) else "red" if red == max(red, green, blue) else "blue"
