"""What is read: the guide, the information page, the completed case, and their twins for programs."""

from deploy.local.http_clients import local_client
from deploy.local.identity.people import Person
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import card_open, id_of
from tests.support.samples import case_samples


async def test_the_guide_is_open_to_everybody_with_every_row(browser: BrowserClient) -> None:
    page = await browser.get("/")
    assert page.status_code == 200
    assert all(
        words in page.text for words in ("我要办理", "我要收藏", "23100011", "专题标签", "常见问题", "313963892")
    )
    assert 'href="tel:051683592019"' in page.text


async def test_somebody_not_on_the_roster_is_told_whom_to_ask(browser: BrowserClient, person: Person) -> None:
    await browser.sign_in(person)
    page = await browser.get("/case")
    assert page.status_code == 200
    assert "未查询到您的离校信息" in page.text
    assert "tel:051683590322" in page.text
    assert (await browser.get("/api/v1/case")).status_code == 404


async def test_a_student_the_service_is_not_for_is_told_whom_to_ask(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person), state="not-served", category="结业")
    await browser.sign_in(person)
    page = await browser.get("/case")
    assert "结业的学生不使用本服务" in page.text
    assert "tel:051683590322" in page.text
    refused = await browser.post("/submit", {"csrf": await browser.csrf()})
    assert refused.status_code == 409


async def test_a_completed_case_is_found_viewed_and_carries_what_the_desk_needs(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    await clearance.all_clear(id_of(person))
    await clearance.accept(id_of(person), f"LX-{id_of(person)}", "7KQ4-M2XD", "LXF1:" + "A1B2C3" * 300)
    await clearance.put_status(
        id_of(person), "archives", [case_samples.check("thesis", {"thesis": "empty"})], version=9
    )
    await browser.sign_in(person, place="completed")
    assert f"LX-{id_of(person)}" in (await browser.get("/me")).text
    form = (await browser.get("/completed")).text
    for words in (f"LX-{id_of(person)}", "7KQ4-M2XD", "<svg", "已审核", "欧阳𠮷㛃", "凭此单领取毕业证书、学位证书"):
        assert words in form
    page = (await browser.get("/case")).text
    assert "您已提交离校服务，每人仅可提交一次。" in page
    assert 'href="/submit"' not in page
    twin = (await browser.get("/api/v1/submission")).json()
    assert (twin["state"], twin["form_number"]) == ("done", f"LX-{id_of(person)}")


async def test_a_favourite_is_remembered_and_found_again(browser: BrowserClient, person: Person) -> None:
    await browser.sign_in(person)
    token = await browser.csrf()
    await browser.post("/favourite", {"csrf": token, "kept": "yes", "back": "/"})
    assert "已收藏" in (await browser.get("/")).text
    assert "取消收藏" in (await browser.get("/me")).text
    away = await browser.post("/favourite", {"csrf": token, "kept": "no", "back": "//evil.example"})
    assert away.headers["location"] == "/"
    assert "我要收藏" in (await browser.get("/")).text


async def test_the_language_is_remembered(browser: BrowserClient) -> None:
    switched = await browser.post("/language", {"language": "en", "back": "/"})
    assert switched.headers["location"] == "/"
    assert "Frequently asked questions" in (await browser.get("/")).text
    assert (await browser.post("/language", {"language": "xx"})).status_code == 422


async def test_the_twin_says_the_same_in_codes(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    case = (await browser.get("/api/v1/case")).json()
    assert case["student_id"] == id_of(person)
    states = {(check["department"], check["check"]): check for check in case["checks"]}
    borrowing = states["library", "borrowing"]
    assert (borrowing["state"], borrowing["command"], borrowing["version"]) == ("blocked", "cancel-card", 2)
    assert borrowing["reasons"] == [{"code": "card-not-cancelled", "parameters": {}}]
    assert states["dorm", "check-out"]["state"] == "clear"
    assert case["submission"]["state"] == "open-items"
    refused = await browser.post("/api/v1/submission", headers={"X-CSRF-Token": await browser.csrf()})
    assert refused.status_code == 409
    assert refused.json()["open"][0]["check"] == "library-borrowing"


async def test_what_a_department_does_not_know_is_told_in_codes_and_words_and_refuses_the_submission(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    await clearance.all_clear(id_of(person))
    unknown = [case_samples.check("arrears", {}, case_samples.NO_DATA)]
    await clearance.put_status(id_of(person), "finance", unknown, version=2)
    await browser.sign_in(person)
    case = (await browser.get("/api/v1/case")).json()
    (arrears,) = [check for check in case["checks"] if check["check"] == "arrears"]
    assert (arrears["state"], arrears["waiting_reason"], arrears["facts"]) == ("waiting", "no-data", {})
    assert arrears["reasons"] == [{"code": "no-data", "parameters": {}}]
    assert arrears["phones"] == ["0516-83590233"]
    headers = {"X-CSRF-Token": await browser.csrf()}
    refused = await browser.post("/api/v1/submission", headers=headers)
    assert refused.status_code == 409
    (open_item,) = refused.json()["open"]
    assert open_item["todo"][0].startswith("尚未收到财务处收费管理办公室关于您的数据")
    page = await browser.get("/case")
    assert "没有欠费" not in page.text
    sent = await browser.post("/submit", {"csrf": await browser.csrf()})
    assert sent.status_code == 409
    for words in ("尚未收到财务处收费管理办公室关于您的数据", "0516-83590233"):
        assert words in sent.text


async def test_what_was_overpaid_is_on_the_page_and_the_submission_is_still_offered(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    await clearance.all_clear(id_of(person))
    facts = {"rows": [], "total": "0.00", "overpaid": "200.00"}
    await clearance.put_status(id_of(person), "finance", [case_samples.check("arrears", facts)], version=9)
    await browser.sign_in(person)
    page = (await browser.get("/case")).text
    assert "已多缴 200.00 元，请联系财务处退费。" in page
    assert 'href="/submit"' in page
    checks = (await browser.get("/api/v1/case")).json()["checks"]
    assert [len(check["notes"]) for check in checks if check["department"] == "finance"] == [1]


async def test_unknown_addresses_are_a_page_for_people_and_a_problem_for_programs(
    gateway: RunningGateway, browser: BrowserClient
) -> None:
    page = await browser.get("/no-such-page")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "页面不存在" in page.text
    for address in ("/docs", "/openapi.json", "/metrics"):
        assert (await browser.get(address)).status_code == 404
    async with local_client(gateway.operator_address) as operator:
        paths = (await operator.get("/openapi.json")).json()["paths"]
    assert {"/api/v1/me", "/api/v1/case", "/api/v1/submission"} <= set(paths)
    problem = await browser.get("/api/v1/no-such-thing")
    assert problem.headers["content-type"] == "application/problem+json"
