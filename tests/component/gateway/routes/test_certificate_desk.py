"""The certificate desk and the public check over real HTTP and real databases, with the clearance's own handler."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.codec import read
from schemas.events import CertificateIssueAsked, Reason, TakenBy
from services.clearance.app import FOLDERS
from services.gateway.web.rate_limits import VERIFY_ADDRESS_BURST
from services.kit.audit.chain import verify as verify_chain
from services.kit.names import CERTIFICATE_DESK
from services.kit.postgres.migrations import migrate
from services.kit.receipts.jws import public_keys
from services.kit.receipts.qr import verify_text
from tests.support.gateway.read_model import ReadModelWriter, SignedForm, carrying
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.servers import DatabaseMaker
from tests.support.waiting import eventually

CLERKS = tuple(Person(sub=f"clerk-{number}", name="方石", roles=(CERTIFICATE_DESK,)) for number in range(24))
STUDENTS = tuple(Person(sub=f"s-{number}", name="虚构", student_id=new_student_id()) for number in range(8))
BOTH = Person(sub="both", name="纪小满", student_id=new_student_id(), roles=(CERTIFICATE_DESK,))
DEBT = Reason(code="arrears", parameters={"count": 1, "total": "60.00"})
_clerks, _students = iter(CLERKS), iter(STUDENTS)


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, FOLDERS)
    with running_gateway(database, read_model, (*CLERKS, *STUDENTS, BOTH)) as running:
        yield running


@pytest.fixture
def clerk() -> Person:
    return next(_clerks)


@pytest.fixture
async def signed(clearance: ReadModelWriter) -> SignedForm:
    """A genuine form."""
    return await clearance.accept_signed(new_student_id())


@pytest.fixture
async def carried(gateway: RunningGateway, clearance: ReadModelWriter) -> AsyncIterator[None]:
    """What the desks ask reaches the clearance, as over the broker."""
    async with carrying(gateway, clearance):
        yield


async def at_desk(browser: BrowserClient, clerk: Person) -> str:
    """Sign the clerk in; the token their forms carry."""
    answer = await browser.sign_in(clerk, place="desk")
    assert answer.headers["location"] == "/desk"
    page = await browser.get("/desk")
    assert page.status_code == 200
    return fields(page)["csrf"]


def fields(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of the page's last form."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))


async def check(browser: BrowserClient, token: str, form: str) -> httpx.Response:
    return await browser.post("/desk", {"csrf": token, "form": form})


async def rows(dsn: str, statement: str, *values: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def audited(gateway: RunningGateway, clerk: Person) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    found = await rows(
        gateway.database,
        "SELECT act, outcome, student_id, details FROM audit.entry WHERE actor = $1 ORDER BY entry_id",
        clerk.sub,
    )
    return [(row["act"], row["outcome"], row["student_id"], json.loads(row["details"])) for row in found]


async def test_a_clerk_has_the_desk_and_no_students_page(browser: BrowserClient, clerk: Person) -> None:
    await at_desk(browser, clerk)
    page = await browser.get("/desk")
    assert 'name="form"' in page.text
    assert "autofocus" in page.text
    assert 'href="/case"' not in page.text
    for address in ("/case", "/me", "/completed", "/me/form.pdf", "/submit"):
        refused = await browser.get(address)
        assert (refused.status_code, "这个账号没有学号" in refused.text) == (403, True), address
    assert (await browser.get("/api/v1/case")).status_code == 403
    assert (await browser.get("/")).status_code == 200


async def test_a_student_is_told_in_words_that_this_is_the_desk(browser: BrowserClient, signed: SignedForm) -> None:
    await browser.sign_in(next(_students))
    token = await browser.csrf()
    for answer in (await browser.get("/desk"), await check(browser, token, signed.qr_text)):
        assert answer.status_code == 403
        assert "只有证书发放窗口的工作人员" in answer.text
        assert signed.form_number not in answer.text


async def test_nobody_checks_without_signing_in(browser: BrowserClient, signed: SignedForm) -> None:
    assert (await browser.get("/desk")).headers["location"] == "/sign-in?next=desk"
    assert (await check(browser, "", signed.qr_text)).status_code == 401


async def test_a_person_who_is_both_has_both(browser: BrowserClient, clearance: ReadModelWriter) -> None:
    assert BOTH.student_id is not None
    await clearance.put_case(BOTH.student_id)
    await at_desk(browser, BOTH)
    assert (await browser.get("/case")).status_code == 200
    assert 'href="/desk"' in (await browser.get("/case")).text


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
        revoked.qr_text: ("altered", "不是有效的表单"),
        revoked.form_number: ("altered", "不是有效的表单"),
        edited.qr_text: ("differs", "与系统记录不一致"),
        edited.form_number: ("differs", "与系统记录不一致"),
        "2026-22222-22222-Z": ("unknown", "没有这个编号"),
        other: ("unreadable", "没有读出表单"),
        "\x00<script>": ("unreadable", "没有读出表单"),
        "": ("unreadable", "没有读出表单"),
    }
    for text, (_, words) in cases.items():
        page = await check(browser, token, text)
        assert words in page.text, text
        for hidden in ("已撤销", "司空改", "欧阳𠮷㛃", "登记领取", "<script>"):
            assert hidden not in page.text, text
    outcomes = [outcome for act, outcome, _, _ in await audited(gateway, clerk) if act == "form.check"]
    assert outcomes == [finding for finding, _ in cases.values()]


@pytest.mark.usefixtures("carried")
async def test_certificates_are_handed_over_once_and_the_next_desk_sees_who_and_when(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    form = fields(await check(browser, token, signed.qr_text))
    done = await browser.post("/desk/issue", {**form, "taken_by": "self"})
    assert done.status_code == 200
    assert "已登记领取" in done.text
    assert f"由 {clerk.sub} 发放，本人领取" in done.text
    assert "共 1 份" in done.text
    again = await browser.post("/desk/issue", {**form, "taken_by": "self"})
    assert "已登记领取" in again.text
    second, colleague = BrowserClient(gateway), next(_clerks)
    other = await at_desk(second, colleague)
    page = await check(second, other, signed.qr_text)
    assert "此前已经领取" in page.text
    assert f"由 {clerk.sub} 发放" in page.text
    assert 'name="taken_by"' not in page.text
    late = await second.post("/desk/issue", {**form, "csrf": other, "taken_by": "self", "command_id": ""})
    assert late.status_code == 422
    await second.close()
    acts = [(act, outcome) for act, outcome, _, _ in await audited(gateway, clerk)]
    assert acts == [("form.check", "genuine"), ("certificate.ask", "asked")]


@pytest.mark.usefixtures("carried")
async def test_a_photocopy_at_two_desks_at_once_is_honoured_at_one(
    gateway: RunningGateway, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    clerks = [next(_clerks), next(_clerks)]
    browsers = [BrowserClient(gateway), BrowserClient(gateway)]
    tokens = [await at_desk(one, person) for one, person in zip(browsers, clerks, strict=True)]
    forms = [fields(await check(one, token, signed.qr_text)) for one, token in zip(browsers, tokens, strict=True)]
    answers = await asyncio.gather(
        *(one.post("/desk/issue", {**form, "taken_by": "self"}) for one, form in zip(browsers, forms, strict=True))
    )
    won = [answer.status_code == 200 for answer in answers]
    assert sorted(won) == [False, True]
    winner = clerks[won.index(True)].sub
    assert "已登记领取" in answers[won.index(True)].text
    loser = answers[won.index(False)]
    assert (loser.status_code, "此前已经领取" in loser.text) == (409, True)
    assert f"由 {winner} 发放，本人领取" in loser.text
    marked = await rows(gateway.read_model, "SELECT issued_by FROM issue WHERE student_id = $1", signed.student_id)
    assert [row["issued_by"] for row in marked] == [winner]
    for one in browsers:
        await one.close()


@pytest.mark.usefixtures("carried")
async def test_a_proxy_is_named(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    form = fields(await check(browser, token, signed.form_number))
    nameless = await browser.post("/desk/issue", {**form, "taken_by": "proxy", "proxy_name": "  "})
    assert nameless.status_code == 422
    assert "请填写代领人姓名" in nameless.text
    done = await browser.post("/desk/issue", {**fields(nameless), "taken_by": "proxy", "proxy_name": " 司马  䶮 "})
    assert "由 司马 䶮 代领" in done.text
    marked = await rows(gateway.read_model, "SELECT * FROM published.issue_v1 WHERE student_id = $1", signed.student_id)
    assert (marked[0]["issued_to"], marked[0]["proxy_name"]) == (TakenBy.PROXY.value, "司马 䶮")


async def test_an_outcome_that_is_not_there_yet_is_waited_for_and_asked_again_harmlessly(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    form = fields(await check(browser, token, signed.qr_text))
    waiting = await browser.post("/desk/issue", {**form, "taken_by": "self"})
    assert waiting.status_code == 202
    assert "请先不要发放" in waiting.text
    found = await rows(gateway.database, "SELECT value FROM outbox WHERE key = $1", signed.student_id.encode())
    [event] = [read(row["value"]) for row in found]
    assert isinstance(event, CertificateIssueAsked)
    assert (event.asked_by, event.form_number, str(event.command_id)) == (
        clerk.sub,
        signed.form_number,
        form["command_id"],
    )
    await clearance.receive_issue(event)
    again = await browser.post("/desk/issue", fields(waiting))
    assert (again.status_code, "已登记领取" in again.text) == (200, True)


@pytest.mark.usefixtures("carried")
async def test_each_new_matter_since_the_submission_is_confirmed_by_name_with_a_reason(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    before = fields(await check(browser, token, signed.qr_text))
    await clearance.open_exception(signed.student_id, "finance", DEBT)
    late = await browser.post(
        "/desk/issue", {**before, "taken_by": "self", "confirm": "finance 9", "reason": "已电话核实"}
    )
    assert late.status_code == 409
    for words in ("提交后有新情况", "有 1 项欠费，共 60.00 元", "tel:", "核验之后又有新情况"):
        assert words in late.text
    page = await check(browser, token, signed.qr_text)
    assert "有 1 项欠费，共 60.00 元" in page.text
    unticked = await browser.post("/desk/issue", {**fields(page), "taken_by": "self", "reason": "已电话核实"})
    assert (unticked.status_code, "请逐项核实并勾选确认" in unticked.text) == (409, True)
    mute = await browser.post("/desk/issue", {**fields(unticked), "taken_by": "self", "confirm": "finance 9"})
    assert (mute.status_code, "请填写理由" in mute.text) == (422, True)
    assert await rows(gateway.read_model, "SELECT 1 FROM issue WHERE student_id = $1", signed.student_id) == []
    confirmed = {**fields(mute), "taken_by": "self", "confirm": "finance 9", "reason": "已电话核实"}
    done = await browser.post("/desk/issue", confirmed)
    assert "已登记领取" in done.text
    assert "已确认 1 项新情况，理由：已电话核实" in done.text
    asked = [details for act, _, _, details in await audited(gateway, clerk) if act == "certificate.ask"]
    assert [(one["exceptions"], one["confirmed"], one["reason"]) for one in asked] == [(1, ["finance 9"], "已电话核实")]
    [issued] = await rows(
        gateway.read_model, "SELECT confirmed, reason FROM published.issue_v2 WHERE student_id = $1", signed.student_id
    )
    assert (json.loads(issued["confirmed"]), issued["reason"]) == (["finance 9"], "已电话核实")


@pytest.mark.usefixtures("carried")
async def test_a_hand_over_is_undone_with_a_reason_and_made_again(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    form = fields(await check(browser, token, signed.qr_text))
    done = await browser.post("/desk/issue", {**form, "taken_by": "self"})
    assert "撤销这次登记" in done.text
    mute = await browser.post("/desk/undo", {**fields(done), "reason": " "})
    assert (mute.status_code, "请填写理由" in mute.text) == (422, True)
    undo = {**fields(mute), "reason": "登记到了别人名下"}
    undone = await browser.post("/desk/undo", undo)
    assert undone.status_code == 200
    for words in ("已撤销登记", f"由 {clerk.sub} 撤销，理由：登记到了别人名下", "登记领取"):
        assert words in undone.text
    again = await browser.post("/desk/undo", undo)
    assert (again.status_code, "已撤销登记" in again.text) == (200, True)
    other = await browser.post("/desk/undo", {**undo, "command_id": str(uuid4())})
    assert (other.status_code, "这次登记已经撤销" in other.text) == (409, True)
    second = await browser.post("/desk/issue", {**fields(undone), "taken_by": "proxy", "proxy_name": "司马䶮"})
    assert "已登记领取" in second.text
    assert "登记到了别人名下" in second.text
    history = await rows(
        gateway.read_model,
        "SELECT number, issued_to, undone_by, undo_reason FROM published.issue_v2 WHERE student_id = $1"
        " ORDER BY number",
        signed.student_id,
    )
    assert [tuple(row) for row in history] == [
        (1, "self", clerk.sub, "登记到了别人名下"),
        (2, "proxy", None, None),
    ]


@pytest.mark.usefixtures("carried")
async def test_the_desk_as_json_sees_the_exceptions_and_must_name_them(
    browser: BrowserClient, clerk: Person, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    await at_desk(browser, clerk)
    session = (await browser.get("/api/v1/desk")).json()
    assert session["account"] == clerk.sub
    await clearance.open_exception(signed.student_id, "finance", DEBT)

    async def ask(path: str, body: dict[str, Any], token: str = session["csrf"]) -> httpx.Response:
        return await browser.post_json(f"/api/v1/desk/{path}", body, {"X-CSRF-Token": token})

    assert (await ask("check", {"form": signed.qr_text}, "x")).status_code == 403
    checked = (await ask("check", {"form": signed.qr_text})).json()
    assert checked["finding"] == "genuine"
    [exception] = checked["form"]["exceptions"]
    assert (exception["name"], exception["source"]) == ("finance 9", "department")
    assert "60.00" in exception["sentences"][0]
    body = {"form_number": signed.form_number, "taken_by": "self"}
    refused = await ask("hand-over", body)
    assert (refused.status_code, refused.json()["outcome"]) == (409, "unconfirmed")
    done = await ask("hand-over", {**body, "confirmed": ["finance 9"], "reason": "已缴清，凭证在案"})
    assert (done.status_code, done.json()["outcome"]) == (200, "issued")
    [issued] = done.json()["form"]["hand_overs"]
    assert (issued["confirmed"], issued["undo"]) == (["finance 9"], None)
    undone = await ask("undo", {"form_number": signed.form_number, "of": issued["command_id"], "reason": "证书已交回"})
    assert (undone.status_code, undone.json()["outcome"]) == (200, "undone")
    [kept] = undone.json()["form"]["hand_overs"]
    assert kept["undo"]["reason"] == "证书已交回"
    assert (await ask("hand-over", {**body, "form_number": "2026-22222-22222-Z"})).status_code == 409


async def test_without_the_pages_token_nothing_is_checked_or_handed_over(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    form = fields(await check(browser, token, signed.qr_text))
    assert (await check(browser, "x" * 43, signed.qr_text)).status_code == 403
    forged = await browser.post("/desk/issue", {**form, "csrf": "", "taken_by": "self"})
    assert forged.status_code == 403
    assert [act for act, _, _, _ in await audited(gateway, clerk)] == ["form.check"]


async def test_the_desks_audit_is_sealed(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    token = await at_desk(browser, clerk)
    await check(browser, token, signed.qr_text)

    async def sealed() -> bool:
        connection = await asyncpg.connect(gateway.database)
        try:
            report = await verify_chain(connection)
        finally:
            await connection.close()
        return report.sealed > 0 and report.unsealed == 0 and not report.problems

    await eventually(sealed, what="every entry to be sealed")


async def test_anybody_learns_whether_a_form_is_genuine_and_its_day_and_no_more(
    browser: BrowserClient, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    assert (await browser.get("/verify")).status_code == 200
    right = {"form_number": signed.form_number.lower(), "code": f"{signed.code[:4]}-{signed.code[4:].lower()}"}
    page = await browser.post("/verify", right)
    assert "真实" in page.text
    assert "提交。" in page.text
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
    assert "未能确认" in answers[0].text


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
            await browser.post("/verify", {"form_number": "x", "code": "y"})
            for _ in range(int(VERIFY_ADDRESS_BURST) + 3)
        ]
        statuses = [answer.status_code for answer in answers]
        assert statuses[: int(VERIFY_ADDRESS_BURST)] == [200] * int(VERIFY_ADDRESS_BURST)
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
