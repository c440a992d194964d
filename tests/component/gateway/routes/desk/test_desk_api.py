"""The certificate desk as JSON: the same checks and hand-overs as its page."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from deploy.local.identity.people import Person
from tests.component.gateway.routes.desk.clerks import DEBT, at_desk, audited
from tests.support.gateway.read_model import ReadModelWriter, SignedForm
from tests.support.gateway.server import BrowserClient, RunningGateway

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def ask(browser: BrowserClient, clerk: Person) -> Ask:
    """Posts a body to an operation of the desk, as a clerk who has signed in."""
    await at_desk(browser, clerk)
    session = (await browser.get("/api/v1/desk")).json()
    assert session["account"] == clerk.sub

    async def post(path: str, body: dict[str, Any], token: str = session["csrf"]) -> httpx.Response:
        return await browser.post_json(f"/api/v1/desk/{path}", body, {"X-CSRF-Token": token})

    return post


@pytest.mark.usefixtures("carried")
async def test_a_hand_over_names_every_exception_that_a_check_lists_and_is_undone(
    ask: Ask, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    await clearance.open_exception(signed.student_id, "finance", DEBT)
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


async def test_without_the_sessions_token_or_a_genuine_form_nothing_is_done(
    gateway: RunningGateway, ask: Ask, clerk: Person, signed: SignedForm
) -> None:
    body = {"form_number": signed.form_number, "taken_by": "self"}
    assert (await ask("check", {"form": signed.qr_text}, "x")).status_code == 403
    assert (await ask("hand-over", body, "x")).status_code == 403
    unknown = await ask("hand-over", {**body, "form_number": "2026-22222-22222-Z"})
    assert (unknown.status_code, unknown.json()["finding"]) == (409, "unknown")
    assert await audited(gateway, clerk) == []


@pytest.mark.usefixtures("carried")
async def test_what_a_clerk_writes_is_one_line_of_text_as_at_the_page(
    ask: Ask, clearance: ReadModelWriter, signed: SignedForm
) -> None:
    await clearance.open_exception(signed.student_id, "finance", DEBT)
    body = {"form_number": signed.form_number, "taken_by": "proxy", "confirmed": ["finance 9"]}
    fit = {**body, "proxy_name": "司马", "reason": "核实"}
    for wrong in ({"proxy_name": "司马\x00"}, {"reason": "核\x00实"}, {"confirmed": ["finance 9\x00"]}):
        assert (await ask("hand-over", {**fit, **wrong})).status_code == 422
    done = await ask("hand-over", {**body, "proxy_name": " 司马  䶮 ", "reason": "已核实\n 凭证在案"})
    [issued] = done.json()["form"]["hand_overs"]
    assert (issued["proxy_name"], issued["reason"]) == ("司马 䶮", "已核实 凭证在案")
    undo = {"form_number": signed.form_number, "of": issued["command_id"]}
    assert [(await ask("undo", {**undo, "reason": reason})).status_code for reason in (" ", "\x00")] == [422, 422]


async def test_a_form_with_a_nul_is_not_genuine(ask: Ask, signed: SignedForm) -> None:
    number = f"{signed.form_number}\x00"
    found = [(await ask("check", {"form": form})).json()["finding"] for form in (number, f"{signed.qr_text}\x00")]
    assert found == ["unreadable", "altered"]
    undo = {"of": "00000000-0000-4000-8000-000000000001", "reason": "x"}
    for path, body in (("hand-over", {"taken_by": "self"}), ("undo", undo)):
        answer = await ask(path, {"form_number": number, **body})
        assert (answer.status_code, answer.json()["finding"]) == (409, "unreadable")
