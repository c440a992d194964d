"""Signing out ends the session at the provider too, so that whoever comes next has to sign in."""

import re
import time
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import httpx
from fastapi.responses import JSONResponse

from deploy.local.http_clients import local_client
from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.gateway.web.guard import CONTENT_SECURITY_POLICY
from services.kit.names import CERTIFICATE_DESK
from tests.support.gateway.hostile_provider import Hostile, answer, client_of, sign_in, start
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import STAFF, rows


def provider_form(page: httpx.Response) -> tuple[str, str, dict[str, str]]:
    """Method, address and fields of the form that goes to the provider."""
    form = re.search(r'<form class="plain" method="(\w+)" action="(http[^"]*)"[^>]*>(.*?)</form>', page.text, re.DOTALL)
    assert form is not None, page.text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[3]))
    return form[1], unescape(form[2]), {name: unescape(value) for name, value in fields.items()}


async def test_signing_out_goes_on_to_the_provider_which_is_shown_the_sign_in(
    gateway: RunningGateway, browser: BrowserClient, person: Person
) -> None:
    await browser.sign_in(person)
    left = await browser.post("/sign-out", {"csrf": await browser.csrf()})
    method, address, fields = provider_form(left)
    assert (method, address) == ("post", f"{gateway.issuer}/logout")
    assert fields["post_logout_redirect_uri"] == f"{gateway.address}/signed-out"
    assert fields["id_token_hint"].count(".") == 2
    assert 'id="leave"' in left.text
    assert "leave" in left.text.rpartition("<script")[2], "it is sent by itself"
    policy = left.headers["content-security-policy"]
    assert policy == CONTENT_SECURITY_POLICY.replace("form-action 'self'", f"form-action 'self' {gateway.issuer}")
    async with local_client() as there:
        back = await there.post(address, data=fields)
    assert back.headers["location"] == f"{gateway.address}/signed-out?state=everywhere"
    everywhere = await browser.get("/signed-out?state=everywhere")
    assert "已退出离校服务和统一身份认证" in everywhere.text
    assert everywhere.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


async def test_a_copy_of_the_table_holds_no_token(
    gateway: RunningGateway, browser: BrowserClient, person: Person
) -> None:
    await browser.sign_in(person)
    (row,) = await rows(gateway.database, "SELECT id_token FROM session WHERE student_id = $1", person.student_id)
    assert b"ey" not in row["id_token"][:20]
    left = await browser.post("/sign-out", {"csrf": await browser.csrf()})
    token = provider_form(left)[2]["id_token_hint"]
    assert token.partition(".")[0].encode() not in row["id_token"]


async def test_without_a_session_there_is_nothing_to_show_the_provider(
    gateway: RunningGateway, browser: BrowserClient
) -> None:
    answer = await browser.post("/sign-out", {"csrf": ""})
    assert (answer.status_code, answer.headers["location"]) == (303, "/signed-out")
    _, address, fields = provider_form(await browser.get("/signed-out"))
    assert urlsplit(address).path == "/logout"
    assert "id_token_hint" not in fields


async def test_whoever_has_no_student_number_can_leave_the_account_there(browser: BrowserClient) -> None:
    refused = await browser.sign_in(STAFF)
    assert refused.status_code == 403
    assert "id_token_hint" in provider_form(refused)[2]


async def test_a_session_of_a_chosen_number_can_be_ended_there_too(
    hostile_gate: RunningGateway, hostile: Hostile
) -> None:
    numbers = [new_student_id(), new_student_id()]
    browser = BrowserClient(hostile_gate)
    await sign_in(browser, hostile, student_id=numbers)
    page = await browser.get("/sign-in/number")
    csrf = re.findall(r'name="csrf" value="([^"]+)"', page.text)[0]
    await browser.post("/sign-in/number", {"csrf": csrf, "student_id": numbers[0]})
    left = await browser.post("/sign-out", {"csrf": await browser.csrf()})
    assert provider_form(left)[2]["id_token_hint"].count(".") == 2
    await browser.close()


async def test_a_provider_without_sign_out_is_not_spoken_of(http: httpx.AsyncClient, hostile: Hostile) -> None:
    documents = {name: one for name, one in hostile.documents().items() if name != "end_session_endpoint"}
    hostile.metadata = lambda: JSONResponse(documents)
    assert await client_of(http, hostile).sign_out_form("https://lixiao.example.edu/signed-out", "s-1") is None


async def test_staff_whose_roles_were_asked_about_again_show_the_newest_token(
    hostile_gate: RunningGateway, hostile: Hostile
) -> None:
    """The key that signed the first may be gone at the provider by then."""
    browser = BrowserClient(hostile_gate)
    staff: dict[str, Any] = {"sub": "clerk-out", "roles": [CERTIFICATE_DESK]}
    state, nonce = await start(browser, "desk")
    hostile.is_about("clerk-out")
    first = hostile.signed(nonce=nonce, **staff)
    hostile.token = lambda: JSONResponse({"access_token": "a", "id_token": first, "refresh_token": "r-1"})
    await browser.get(f"/sign-in/callback?code=c-1&state={state}")
    await rows(hostile_gate.database, "UPDATE session SET roles_due_at = now() WHERE subject = 'clerk-out'")
    second = hostile.signed(nonce=None, iat=int(time.time()) - 5, **staff)
    hostile.token = answer(second)
    assert (await browser.get("/desk")).status_code == 200
    csrf = re.findall(r'name="csrf" value="([^"]+)"', (await browser.get("/desk")).text)[0]
    left = await browser.post("/sign-out", {"csrf": csrf})
    assert provider_form(left)[2]["id_token_hint"] == second
    await browser.close()
