"""Certificates are handed over once, by the clearance's own handler."""

import asyncio
import json
from uuid import uuid4

import pytest

from deploy.local.identity.people import Person
from schemas.codec import read
from schemas.events import CertificateIssueAsked, TakenBy
from services.kit.signing.session_proofs import check_proof
from tests.component.gateway.routes.desk.clerks import (
    DEBT,
    at_desk,
    audited,
    check,
    checked,
    clerks,
    fields,
)
from tests.support.gateway.read_model import ReadModelWriter, SignedForm
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import rows


@pytest.mark.usefixtures("carried")
async def test_certificates_are_handed_over_once_and_the_next_desk_sees_who_and_when(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    form = await checked(browser, clerk, signed.qr_text)
    done = await browser.post("/desk/issue", {**form, "taken_by": "self"})
    assert done.status_code == 200
    assert "已登记领取" in done.text
    assert f"发放人：{clerk.name}；本人领取" in done.text
    assert "共 1 份" in done.text
    again = await browser.post("/desk/issue", {**form, "taken_by": "self"})
    assert "已登记领取" in again.text
    second, colleague = BrowserClient(gateway), next(clerks)
    other = await at_desk(second, colleague)
    page = await check(second, other, signed.qr_text)
    assert "此前已经领取" in page.text
    assert f"发放人：{clerk.name}" in page.text
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
    pair = [next(clerks), next(clerks)]
    browsers = [BrowserClient(gateway), BrowserClient(gateway)]
    forms = [await checked(one, person, signed.qr_text) for one, person in zip(browsers, pair, strict=True)]
    answers = await asyncio.gather(
        *(one.post("/desk/issue", {**form, "taken_by": "self"}) for one, form in zip(browsers, forms, strict=True))
    )
    won = [answer.status_code == 200 for answer in answers]
    assert sorted(won) == [False, True]
    winner = pair[won.index(True)].sub
    assert "已登记领取" in answers[won.index(True)].text
    loser = answers[won.index(False)]
    assert (loser.status_code, "此前已经领取" in loser.text) == (409, True)
    assert f"发放人：{pair[won.index(True)].name}；本人领取" in loser.text
    marked = await rows(gateway.read_model, "SELECT issued_by FROM issue WHERE student_id = $1", signed.student_id)
    assert [row["issued_by"] for row in marked] == [winner]
    for one in browsers:
        await one.close()


@pytest.mark.usefixtures("carried")
async def test_a_proxy_is_named(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    form = await checked(browser, clerk, signed.form_number)
    nameless = await browser.post("/desk/issue", {**form, "taken_by": "proxy", "proxy_name": "  "})
    assert nameless.status_code == 422
    assert "请填写代领人姓名" in nameless.text
    done = await browser.post("/desk/issue", {**fields(nameless), "taken_by": "proxy", "proxy_name": " 司马  䶮 "})
    assert "代领人：司马 䶮" in done.text
    marked = await rows(gateway.read_model, "SELECT * FROM published.issue_v1 WHERE student_id = $1", signed.student_id)
    assert (marked[0]["issued_to"], marked[0]["proxy_name"]) == (TakenBy.PROXY.value, "司马 䶮")


async def test_an_outcome_that_is_not_there_yet_is_waited_for_and_asked_again_harmlessly(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    form = await checked(browser, clerk, signed.qr_text)
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
    check_proof(event, required=True)
    assert event.session is not None
    [begun] = await rows(
        gateway.database,
        "SELECT details::json ->> 'key' AS key FROM audit.entry WHERE act = 'session.start' AND actor = $1"
        " ORDER BY entry_id DESC LIMIT 1",
        clerk.sub,
    )
    assert begun["key"] == event.session.key
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
    for words in ("提交后有新增未办事项", "有 1 项欠费，共 60.00 元", "tel:", "核验之后又有新增未办事项"):
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
    assert "已确认 1 项新增未办事项，理由：已电话核实" in done.text
    told = [(outcome, one) for act, outcome, _, one in await audited(gateway, clerk) if act == "certificate.ask"]
    assert [outcome for outcome, _ in told] == ["new-exception", "unconfirmed", "no-reason", "asked"]
    asked = [one for outcome, one in told if outcome == "asked"]
    assert [(one["exceptions"], one["confirmed"], one["reason"]) for one in asked] == [(1, ["finance 9"], "已电话核实")]
    [issued] = await rows(
        gateway.read_model, "SELECT confirmed, reason FROM published.issue_v2 WHERE student_id = $1", signed.student_id
    )
    assert (json.loads(issued["confirmed"]), issued["reason"]) == (["finance 9"], "已电话核实")


@pytest.mark.usefixtures("carried")
async def test_a_hand_over_is_undone_with_a_reason_and_made_again(
    gateway: RunningGateway, browser: BrowserClient, clerk: Person, signed: SignedForm
) -> None:
    form = await checked(browser, clerk, signed.qr_text)
    done = await browser.post("/desk/issue", {**form, "taken_by": "self"})
    assert "撤销这次登记" in done.text
    mute = await browser.post("/desk/undo", {**fields(done), "reason": " "})
    assert (mute.status_code, "请填写理由" in mute.text) == (422, True)
    undo = {**fields(mute), "reason": "登记到了别人名下"}
    undone = await browser.post("/desk/undo", undo)
    assert undone.status_code == 200
    for words in ("已撤销登记", f"由 {clerk.name} 撤销，理由：登记到了别人名下", "登记领取"):
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
