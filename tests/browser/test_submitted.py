"""After the submission: what one has in hand, what comes next, and what a debt of later does to the pages."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.support.browser.chromium import PC, PHONE, Device, box, sideways
from tests.support.browser.scene_setter import SceneSetter
from tests.support.browser.scenes import BY_NAME
from tests.support.browser.student_states import clear, say
from tests.support.samples import case_samples


@pytest.mark.acceptance("S-101")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_the_page_after_the_submission_has_number_code_and_what_comes_next(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    actor = await scenes.play(BY_NAME["submitted"])
    assert actor is not None
    page = await (await open_profile(device, address=scenes.gateway.address, cookies=actor.cookies)).new_page()
    await page.goto("/case")
    number = await page.locator("#summary").get_attribute("data-form-number")
    await page.get_by_role("link", name="接下来做什么").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("离校手续已办结")
    await expect(page.locator(".success .form-number").first).to_have_text(number or "")
    assert (await box(page, ".success .code svg"))["right"] - (await box(page, ".success .code svg"))["x"] >= 200
    steps = page.locator(".steps-next")
    for words in ("打印或保存", "本人有效身份证件", "领取毕业证书、学位证书", "研究生院", "工作时间", "0516-83590322"):
        await expect(steps).to_contain_text(words)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="下载离校流程单（PDF）").click()
    assert (await download.value).suggested_filename.endswith(".pdf")
    await page.get_by_role("link", name="查看和打印").click()
    await expect(page.get_by_role("button", name="打印离校流程单")).to_be_visible()


@pytest.mark.acceptance("S-103")
@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_a_debt_after_the_submission_is_amber_and_names_department_amount_and_phone(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    actor = await scenes.play(BY_NAME["case-late-debt"])
    assert actor is not None
    page = await (await open_profile(device, address=scenes.gateway.address, cookies=actor.cookies)).new_page()
    for address, place in (("/case", "#summary"), ("/submitted", ".caution-box"), ("/completed", ".caution-box")):
        await page.goto(address)
        for words in ("财务处收费管理办公室", "共 682.40 元", "毕业证书、学位证书"):
            await expect(page.locator(place)).to_contain_text(words)
        await expect(page.locator(f"{place} a[href='tel:051683590233']")).to_be_visible()
    await page.goto("/case")
    await expect(page.locator("#summary-title")).to_have_text("离校服务已提交，但财务处收费管理办公室有新增未办事项")
    red, green, blue = await page.evaluate(
        "getComputedStyle(document.getElementById('summary-title')).color.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    assert red > green > blue, "amber, not the green of a submission in order"
    assert await sideways(page) == 0


@pytest.mark.parametrize("device", [PHONE, PC], ids=str)
async def test_what_turned_is_seen_wherever_one_looks_with_a_link_to_it(
    scenes: SceneSetter, open_profile: Open, device: Device
) -> None:
    actor = await scenes.actor()
    await clear(scenes, actor)
    page = await (await open_profile(device, address=scenes.gateway.address, cookies=actor.cookies)).new_page()
    await page.goto("/case")
    await say(scenes, actor, {"finance": case_samples.blocked().statuses["finance"]}, version=4)
    await scenes.clearance.notify()
    toast = page.locator("#announcements")
    await expect(toast).to_contain_text("财务处收费管理办公室 已变为 未通过", timeout=20_000)
    await expect(toast).to_be_in_viewport()
    await toast.get_by_role("link", name="查看").click()
    await expect(page.locator("#finance-arrears")).to_be_in_viewport()
    await expect(toast).to_be_empty()
    await scenes.clearance.all_clear_library(actor.student_id, 5)
    await say(scenes, actor, {"finance": case_samples.clear().statuses["finance"]}, version=5)
    await scenes.clearance.notify()
    await expect(toast).to_contain_text("财务处收费管理办公室 已变为 通过", timeout=20_000)
    await toast.get_by_role("button", name="关闭提示").click()
    await expect(toast).to_be_empty()
