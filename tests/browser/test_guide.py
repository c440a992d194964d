"""The guide page, who the service is for, signing in: what is shown before anything is cleared."""

import re

import pytest
from playwright.async_api import expect

from deploy.local.installation import Installation
from schemas.flows import GATEWAY
from tests.browser.conftest import Open
from tests.support.browser import journey_data
from tests.support.browser.chromium import PC, PHONE, Device, box, sideways
from tests.support.browser.measure import WATCH
from tests.support.browser.scene_setter import SceneSetter
from tests.support.browser.scenes import BY_NAME

ROWS = (
    ("事项名称", "研究生离校服务"),
    ("事项编号", "23100011"),
    ("主办部门", "信息化建设与管理处"),
    ("协办部门", "财务处,总务部(管理机关),图书馆,档案馆,研究生院"),
    ("服务对象", "学生"),
    ("服务类别", "学业"),
    ("事项类型", "服务事项"),
    ("事项划分", "跨部门综合事项"),
    ("办理方式", "线上办理"),
    ("办理时限", "离校期间"),
    ("服务专题", ""),
    ("专题标签", ""),
    ("服务地点", ""),
    ("服务时间", "工作时间"),
    (
        "咨询电话",
        "图书馆借阅咨询83592019、83591210；图书馆论文提交咨询83592058、83592099；档案馆论文提交咨询83592101；"
        "公寓退宿咨询83590327；财务咨询83590233；毕业证信息咨询83590322",
    ),
)
NOTES = (
    "研究生离校服务使用说明详见下方“常见问题”栏目。",
    "结业的学生不使用本服务。",
    "离校相关业务咨询请拨打相关咨询电话。",
)


@pytest.mark.acceptance("S-001", "S-006", "S-023")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_guide_shows_every_row_even_an_empty_one_and_the_manual_below(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    page = await (await open_profile(device, address=scenes.gateway.address)).new_page()
    await page.goto("/")
    assert await page.title() == "研究生离校服务 · 中国矿业大学"
    await expect(page.get_by_role("heading", level=1)).to_have_text("研究生离校服务")
    shown = zip(
        await page.locator("dl.guide dt").all_inner_texts(),
        await page.locator("dl.guide dd").all_inner_texts(),
        strict=True,
    )
    assert tuple(shown) == ROWS
    for row in await page.locator("dl.guide > div").all():
        place = await row.bounding_box()
        assert place is not None
        assert place["height"] >= 24, "an empty row has its place"
    assert await page.locator(".note p").all_inner_texts() == list(NOTES)
    assert await page.locator("dl.guide a[href^='tel:0516']").count() == 8
    questions, guide = await box(page, "#questions"), await box(page, "dl.guide")
    assert questions["y"] > guide["bottom"]
    await page.get_by_text("图书馆借阅怎样才算通过？").click()
    await expect(page.get_by_text("注销后不能自行恢复。")).to_be_visible()
    await expect(page.locator("footer")).to_contain_text("QQ 群 313963892")


@pytest.mark.acceptance("S-023")
@pytest.mark.parametrize(("language", "device"), [("zh-CN", PHONE), ("en-GB", PHONE), ("zh-CN", PC)])
async def test_the_manuals_pictures_load_only_when_its_entry_is_opened(
    scenes: SceneSetter, open_profile: Open, language: str, device: Device
) -> None:
    page = await (await open_profile(device, address=scenes.gateway.address, language=language)).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.resource_type == "image" else None)
    await page.add_init_script(WATCH)
    await page.goto("/", wait_until="networkidle")
    assert [address for address in asked if ".webp" in address] == []
    entries = page.locator("details.question")
    opened = set()
    for entry in [one for one in await entries.all() if await one.locator("img").count()]:
        await entry.locator("summary").click()
        for picture in await entry.locator("img").all():
            assert len(await picture.get_attribute("alt") or "") > 20
            await picture.scroll_into_view_if_needed()
            await expect(picture).to_have_js_property("complete", True)
            assert await picture.evaluate("one => one.naturalWidth") > 0
            opened.add((await picture.evaluate("one => one.currentSrc")).removeprefix(scenes.gateway.address))
    assert len(opened) == 8
    assert {address.removeprefix(scenes.gateway.address) for address in asked if ".webp" in address} == opened
    ending = "-pc" if device is PC else ""
    assert all(f"-{language[:2]}{ending}." in address for address in opened)
    assert await page.evaluate("shifts") == 0, "a picture has its place before it comes"
    assert await sideways(page) == 0


async def test_who_holds_a_form_finds_the_check_page_from_the_guide(scenes: SceneSetter, open_profile: Open) -> None:
    page = await (await open_profile(PHONE, address=scenes.gateway.address)).new_page()
    await page.goto("/")
    await page.get_by_text("别人怎样核验离校流程单？").click()
    await page.locator("#questions").get_by_role("link", name="打开核验页面").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("核验离校流程单")
    await page.goto("/signed-out")
    await page.locator("footer").get_by_role("link", name="核验离校流程单").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("核验离校流程单")


@pytest.mark.acceptance("S-022")
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_the_service_is_saved_as_a_favourite_until_it_is_removed(
    scenes: SceneSetter, open_profile: Open, scripts: bool
) -> None:
    actor = await scenes.actor()
    context = await open_profile(PHONE, address=scenes.gateway.address, cookies=actor.cookies, scripts=scripts)
    page = await context.new_page()
    await page.goto("/")
    await expect(page.get_by_role("button", name="我要收藏")).to_have_attribute("aria-pressed", "false")
    await page.get_by_role("button", name="我要收藏").click()
    await expect(page.get_by_role("button", name="已收藏")).to_have_attribute("aria-pressed", "true")
    other = await (await open_profile(PC, address=scenes.gateway.address, cookies=actor.cookies)).new_page()
    await other.goto("/me")
    await expect(other.get_by_role("heading", name="我的收藏")).to_be_visible()
    await other.locator("#favourites").get_by_role("link", name="研究生离校服务").click()
    await other.get_by_role("button", name="已收藏").click()
    await expect(other.get_by_role("button", name="我要收藏")).to_be_visible()
    await page.goto("/me")
    await expect(page.locator("#favourites")).to_contain_text("暂无收藏")


@pytest.mark.acceptance("S-022")
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_favourite_pressed_before_signing_in_is_kept_after_it(
    installation: Installation, open_profile: Open, scripts: bool
) -> None:
    person = await journey_data.student(installation, journey_data.ONLY_THE_CARD)
    page = await (await open_profile(PHONE, address=installation.address(GATEWAY), scripts=scripts)).new_page()
    await page.goto("/")
    await page.get_by_role("link", name="我要收藏").click()
    await expect(page).to_have_title(re.compile("统一身份认证"))
    await journey_data.choose_person(page, person)
    await expect(page).to_have_url(f"{installation.address(GATEWAY)}/")
    await expect(page.get_by_role("button", name="已收藏")).to_have_attribute("aria-pressed", "true")
    await page.goto("/me")
    await expect(page.locator("#favourites")).to_contain_text("研究生离校服务")


@pytest.mark.acceptance("S-012", "S-014")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_sign_in_help_says_whom_to_call_or_write(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    page = await (await open_profile(device, address=scenes.gateway.address)).new_page()
    await page.goto("/signed-out")
    await expect(page.get_by_role("heading", name="登录帮助")).to_be_visible()
    for words in ("首次使用统一身份认证需激活账号", "密码问题咨询"):
        await expect(page.get_by_text(words)).to_be_visible()
    for address in ("tel:051683592123", "tel:051683592137", "mailto:auth@cumt.edu.cn"):
        await expect(page.locator(f"a[href='{address}']")).to_be_visible()
    assert "默认密码" not in await page.content()
    await page.goto("/")
    await page.get_by_text("怎样登录？").click()
    await expect(page.locator(".question[open]")).to_contain_text("激活咨询 83592123")
    await expect(page.locator(".question[open]")).to_contain_text("auth@cumt.edu.cn")


@pytest.mark.acceptance("S-003")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
@pytest.mark.parametrize(
    ("scene", "heading"), [("not-served", "本服务不面向结业学生"), ("not-on-roster", "未查询到您的离校信息")]
)
async def test_a_student_the_service_is_not_for_is_told_so_and_whom_to_ask(
    scenes: SceneSetter, open_profile: Open, device: Device, scene: str, heading: str
) -> None:
    actor = await scenes.play(BY_NAME[scene])
    assert actor is not None
    page = await (await open_profile(device, address=scenes.gateway.address, cookies=actor.cookies)).new_page()
    for address in ("/case", "/submit", "/case/library/cancel-card"):
        await page.goto(address)
        await expect(page.get_by_role("link", name="提交离校服务")).to_have_count(0)
        await expect(page.locator(".line")).to_have_count(0)
    await page.goto("/case")
    await expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    await expect(page.locator("a[href='tel:051683590322']")).to_be_visible()


async def test_english_is_one_press_away_remembered_and_leaves_the_data_as_it_is(
    scenes: SceneSetter, open_profile: Open
) -> None:
    actor = await scenes.play(BY_NAME["case-blocked"])
    assert actor is not None
    context = await open_profile(PHONE, address=scenes.gateway.address, cookies=actor.cookies)
    page = await context.new_page()
    await page.goto("/case")
    await page.get_by_role("button", name="Switch to English").click()
    await expect(page).to_have_url(re.compile("/case$"))
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("#library-borrowing .verdict")).to_have_text("Not passed")
    await expect(page.locator(".at-college dd")).to_have_text("信息与控制工程学院")
    await page.close()
    again = await context.new_page()
    await again.goto("/me")
    await expect(again.get_by_role("heading", level=1)).to_have_text("My page")
    cookie = next(one for one in await context.cookies() if one["name"] == "__Host-language")
    assert cookie["expires"] > 0, "it is remembered after the browser is closed"
