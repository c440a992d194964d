"""Whether a form is genuine: at the desk, for the public, and by its keys alone."""

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.gateway.printing.qr_image import form_link
from services.gateway.web.verification_limits import ADDRESS
from services.kit.receipts.jws import public_keys
from services.kit.receipts.qr import verify_text
from tests.component.gateway.routes.desk.clerks import at_desk, audited, check
from tests.support.gateway.read_model import ReadModelWriter, SignedForm
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.servers.fixtures import DatabaseMaker


async def test_a_form_is_seen_as_it_was_submitted_and_the_check_is_written_down(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    page = await check(browser, token, signed.qr_text)
    assert page.status_code == 200
    assert str(page.url).endswith("/desk")
    for words in ("真实有效", "欧阳𠮷㛃", signed.student_id, signed.form_number, "南湖校区", "没有欠费", "登记领取"):
        assert words in page.text
    assert await audited(gateway, clerk) == [
        (
            "form.check",
            "genuine",
            signed.student_id,
            {"form": signed.form_number, "exceptions": 0, "issued": False},
        )
    ]


async def test_a_number_typed_in_any_way_finds_the_record_and_asks_to_compare(
    browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    page = await check(browser, token, f" {signed.form_number.replace('-', '').lower()} ")
    assert "编号有效" in page.text
    assert "与纸面逐项核对" in page.text
    assert "欧阳𠮷㛃" in page.text


async def test_what_is_not_genuine_shows_nothing_of_anybody(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    revoked = await clearance.accept_signed(new_student_id(), name="已撤销")
    await clearance.revoke(revoked.kid)
    edited = await clearance.accept_signed(new_student_id(), name="司空改")
    await clearance.edit_facts(edited.student_id)
    other = signed.form_number[:-1] + ("2" if signed.form_number[-1] != "2" else "3")
    cases = {
        signed.qr_text[:-1] + ("A" if signed.qr_text[-1] != "A" else "B"): ("altered", "不是有效的表单"),
        revoked.qr_text: ("revoked", "请重新打印"),
        revoked.form_number: ("revoked", "请重新打印"),
        edited.qr_text: ("differs", "与系统记录不一致"),
        edited.form_number: ("differs", "与系统记录不一致"),
        "2026-22222-22222-Z": ("unknown", "没有这个编号"),
        other: ("unreadable", "未识别到离校流程单"),
        "\x00<script>": ("unreadable", "未识别到离校流程单"),
        "": ("unreadable", "未识别到离校流程单"),
    }
    for text, (_, words) in cases.items():
        page = await check(browser, token, text)
        assert words in page.text, text
        for hidden in ("已撤销", "司空改", "欧阳𠮷㛃", "登记领取", "<script>"):
            assert hidden not in page.text, text
    outcomes = [outcome for act, outcome, _, _ in await audited(gateway, clerk) if act == "form.check"]
    assert outcomes == [finding for finding, _ in cases.values()]


async def test_anybody_learns_whether_a_form_is_genuine_and_its_day_and_no_more(
    browser: BrowserClient, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    assert (await browser.get("/verify")).status_code == 200
    right = {"form_number": signed.form_number.lower(), "code": f"{signed.code[:4]}-{signed.code[4:].lower()}"}
    page = await browser.post("/verify", right)
    assert "真实" in page.text
    assert "提交。" in page.text
    for shown in (signed.form_number, "欧**㛃", f"<dd>{signed.student_id[-4:]}</dd>"):
        assert shown in page.text, "another person's name on the paper does not pass for this one"
    for hidden in ("欧阳", signed.student_id, "通过"):
        assert hidden not in page.text
    revoked = await clearance.accept_signed(new_student_id())
    await clearance.revoke(revoked.kid)
    wrong = [
        {"form_number": signed.form_number, "code": "22222222"},
        {"form_number": "2026-22222-22222-Z", "code": signed.code},
        {"form_number": "nothing", "code": "nothing"},
        {"form_number": revoked.form_number, "code": revoked.code},
        {"form_number": "", "code": ""},
        {},
    ]
    answers = [await browser.post("/verify", one) for one in wrong]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert "核验未通过" in answers[0].text


async def test_number_and_code_are_read_as_a_chinese_keyboard_types_them(
    browser: BrowserClient, signed: SignedForm
) -> None:
    wide = {ord(one): ord(one) + 0xFEE0 for one in "-0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"}
    typed = {"form_number": signed.form_number.translate(wide), "code": signed.code.translate(wide)}
    assert "真实" in (await browser.post("/verify", typed)).text


async def test_what_a_phone_reads_from_the_paper_is_checked_by_its_signature_alone(
    browser: BrowserClient, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    """The link of the QR code, what is behind its `#`, and an older form's text; a number is not enough."""
    link = form_link("https://elsewhere.example", signed.qr_text)
    for text in (link, link.partition("#")[2], signed.qr_text, f" {signed.receipt}\n"):
        page = await browser.post("/verify", {"signed": text})
        assert "真实" in page.text
        for shown in (signed.form_number, "欧**㛃", f"<dd>{signed.student_id[-4:]}</dd>"):
            assert shown in page.text
        for hidden in ("欧阳", signed.student_id, link[-20:]):
            assert hidden not in page.text
    revoked = await clearance.accept_signed(new_student_id())
    await clearance.revoke(revoked.kid)
    wrong = (
        link[:-1] + ("A" if link[-1] != "A" else "B"),
        revoked.qr_text,
        signed.form_number,
        "nothing",
        "https://x/#LXF2:",
    )
    answers = [await browser.post("/verify", {"signed": text}) for text in wrong]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert "核验未通过" in answers[0].text


async def test_the_public_keys_are_listed_and_verify_a_form_without_the_service(
    browser: BrowserClient, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    revoked = await clearance.accept_signed(new_student_id())
    await clearance.revoke(revoked.kid)
    answer = await browser.get("/.well-known/lixiao-keys.json")
    assert answer.headers["content-type"].startswith("application/jwk-set+json")
    listed = answer.json()["keys"]
    assert all("d" not in jwk for jwk in listed)
    keys = public_keys(listed)
    assert signed.kid in keys
    assert revoked.kid not in keys
    assert verify_text(signed.qr_text, keys).payload["form"] == signed.form_number


async def test_the_public_check_ends_at_its_limit_and_says_when_to_come_back(
    make_database: DatabaseMaker, gateway: RunningGateway
) -> None:
    with running_gateway(await make_database("gateway"), gateway.read_model, ()) as own:
        browser = BrowserClient(own)
        answers = [
            await browser.post("/verify", {"form_number": "x", "code": "y"}) for _ in range(int(ADDRESS.burst) + 3)
        ]
        statuses = [answer.status_code for answer in answers]
        assert statuses[: int(ADDRESS.burst)] == [200] * int(ADDRESS.burst)
        assert statuses[-1] == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert (await browser.get("/verify")).status_code == 200
        await browser.close()


async def test_the_read_model_away_says_nothing_of_any_form(make_database: DatabaseMaker) -> None:
    with running_gateway(await make_database("gateway"), "postgresql://x:x@127.0.0.1:9/none", ()) as own:
        browser = BrowserClient(own)
        answer = await browser.post("/verify", {"form_number": "2026-22222-22222-Z", "code": "22222222"})
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        assert (await browser.get("/.well-known/lixiao-keys.json")).json()["status"] == 503
        await browser.close()
