"""A form that was voided and replaced, and one of an earlier case: the student's pages, the public check, the desk."""

from deploy.local.identity.people import Person
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import commands, id_of, posted


async def test_a_student_whose_form_was_voided_reads_why_and_submits_again(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    form = await clearance.accept_signed(id_of(person))
    await clearance.all_clear(id_of(person))
    await browser.sign_in(person)
    assert "离校服务已提交" in (await browser.get("/case")).text
    await clearance.void(id_of(person), form.form_number)
    page = await browser.get("/case")
    for words in (f"表单 {form.form_number} 已于", "理由：姓名有误", "全部事项均已通过", 'href="/completed/1"'):
        assert words in page.text
    assert (await browser.get("/completed")).status_code == 200
    assert form.form_number not in (await browser.get("/completed")).text
    answer = await browser.post("/submit", {"csrf": await browser.csrf()})
    assert answer.headers["location"] == "/case#submit"
    [asked] = await commands(gateway, person)
    assert (asked["state"], asked["forms_before"]) == ("asked", 1)
    assert len(await posted(gateway, person)) == 1
    assert "已提交，正在请各部门确认" in (await browser.get("/case")).text


async def test_a_void_form_is_readable_says_what_replaces_it_and_is_not_printed(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    old = await clearance.accept_signed(id_of(person))
    await clearance.void(id_of(person), old.form_number)
    new = await clearance.accept_signed(id_of(person), name="王钥", replaces=old.form_number)
    await browser.sign_in(person)
    page = await browser.get("/completed/1")
    assert page.status_code == 200
    for words in (old.form_number, f"由表单 {new.form_number} 替代", "理由：姓名有误"):
        assert words in page.text
    assert "form.pdf" not in page.text
    assert (await browser.get("/me/form/1.pdf")).status_code == 404
    current = await browser.get("/completed")
    assert f"替代已作废的表单 {old.form_number}" in current.text
    assert (await browser.get("/me/form.pdf")).status_code == 200
    me = await browser.get("/me")
    assert 'href="/completed/1"' in me.text
    assert new.form_number in me.text
    for missing in ("/completed/3", "/completed/0", "/me/form/9.pdf"):
        assert (await browser.get(missing)).status_code == 404


async def test_the_public_check_says_that_a_form_is_void_and_what_replaces_it_and_not_why(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    old = await clearance.accept_signed(id_of(person))
    await clearance.void(id_of(person), old.form_number)

    async def checked() -> str:
        return (await browser.post("/verify", {"form_number": old.form_number, "code": old.code})).text

    alone = await checked()
    assert "已作废" in alone
    assert "替代" not in alone
    new = await clearance.accept_signed(id_of(person), replaces=old.form_number)
    page = await checked()
    assert f"由表单 {new.form_number} 替代" in page
    assert "姓名有误" not in page
    wrong = await browser.post("/verify", {"form_number": old.form_number, "code": "22222222"})
    assert "作废" not in wrong.text
    good = await browser.post("/verify", {"form_number": new.form_number, "code": new.code})
    assert "已作废" not in good.text


async def test_a_new_case_is_worked_on_beside_the_form_of_the_finished_one(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    first = await clearance.accept_signed(id_of(person))
    await clearance.open_next_case(id_of(person))
    await clearance.all_clear(id_of(person))
    await browser.sign_in(person)
    page = await browser.get("/case")
    for words in ("管理科学", "提交离校服务", first.form_number, 'href="/completed/1"'):
        assert words in page.text
    assert "离校服务已提交" not in page.text
    assert (await browser.get("/completed/1")).status_code == 200
    assert (await browser.get("/me/form/1.pdf")).headers["content-type"] == "application/pdf"
    case = (await browser.get("/api/v1/case")).json()
    assert (case["case_number"], case["submission"]["state"]) == (2, "ready")
    [form] = case["forms"]
    assert (form["form_number"], form["case_number"], form["voided_at"]) == (first.form_number, 1, None)
    second = await clearance.accept_signed(id_of(person), case_number=2)
    assert second.form_number in (await browser.get("/completed")).text
    assert first.form_number in (await browser.get("/completed/1")).text
    public = await browser.post("/verify", {"form_number": first.form_number, "code": first.code})
    assert "真实" in public.text


async def test_nobody_reads_anothers_earlier_form(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.accept_signed(id_of(person))
    await clearance.open_next_case(id_of(person))
    assert (await browser.get("/completed/1")).status_code == 303
    assert (await browser.get("/me/form/1.pdf")).status_code == 303
