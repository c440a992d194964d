"""Signing in and out at a real Apereo CAS."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from deploy.local.http_clients import local_client
from services.gateway.identity.cas.client import CasClient, CasSettings
from services.gateway.identity.errors import SignInRefused
from services.gateway.identity.provider import Attempt
from tests.support.gateway.server import RunningGateway
from tests.support.gateway.visits import rows
from tests.support.identity.apereo_cas import ApereoCas
from tests.support.identity.web_browser import Page, WebBrowser
from tests.support.waiting import eventually

ATTEMPT = Attempt("http://127.0.0.1:9/sign-in/callback", "s-1", "n-1", "v" * 43)
SERVICE = f"{ATTEMPT.return_to}?state=s-1"


@pytest.fixture
async def client(cas: ApereoCas) -> AsyncIterator[CasClient]:
    async with local_client() as http:
        yield CasClient(http, CasSettings(cas.address, timeout_s=30))


async def ticket_of(cas: ApereoCas, browser: WebBrowser, service: str = SERVICE, *, password: bool = True) -> str:
    """A ticket for a service that does not answer, by a password or by the session at the server."""
    with pytest.raises(httpx.ConnectError):
        page = await browser.open(str(httpx.URL(f"{cas.address}/login", params={"service": service})))
        assert page.asks_for_a_password == password
        await enter(browser, page, "student")
    return parse_qs(urlsplit(browser.visited[-1]).query)["ticket"][0]


async def enter(browser: WebBrowser, page: Page, username: str) -> Page:
    form = next(form for form in page.forms if form.passwords)
    return await browser.send(page, form, username=username, password=f"password of {username}")


async def test_a_student_signs_in_by_a_ticket(cas: ApereoCas, cas_gateway: RunningGateway, at_cas: WebBrowser) -> None:
    page = await at_cas.sign_in("student")
    assert (page.status, page.path) == (200, "/case"), page.text
    (session, *_) = await rows(
        cas_gateway.database, "SELECT issuer, subject FROM session WHERE student_id = 'TS22010001'"
    )
    assert (session["issuer"], session["subject"]) == (cas.address, "student")
    assert not [url for url in at_cas.visited if "TS2201" in url], "no address names a person"


async def test_a_clerk_has_the_roles_of_an_attribute(at_cas: WebBrowser) -> None:
    page = await at_cas.sign_in("clerk", place="desk")
    assert (page.status, page.path) == (200, "/desk"), page.text
    assert (await at_cas.open("/staff/library")).status == 200


async def test_several_numbers_of_one_attribute_are_a_choice(at_cas: WebBrowser) -> None:
    page = await at_cas.sign_in("returned")
    assert page.path == "/sign-in/number"
    assert "TS19010002" in page.text


async def test_a_wrong_password_stays_at_the_server(cas: ApereoCas, at_cas: WebBrowser) -> None:
    page = await at_cas.sign_in("student", "wrong")
    assert page.url.startswith(cas.address)
    assert not await at_cas.is_in()


async def test_an_account_without_a_number_is_told_so_and_leaves_for_another(at_cas: WebBrowser) -> None:
    page = await at_cas.sign_in("guest")
    assert page.status == 403
    gone = await at_cas.leave(page)
    assert gone.url.endswith("/signed-out?state=everywhere")
    assert (await at_cas.sign_in("student")).path == "/case"


async def test_signing_out_asks_the_next_person_on_this_machine_for_a_password(at_cas: WebBrowser) -> None:
    await at_cas.sign_in("student")
    assert (await at_cas.open("/sign-in")).path == "/case", "one session at the server serves everything"
    gone = await at_cas.sign_out()
    assert gone.url.endswith("/signed-out?state=everywhere")
    assert (await at_cas.open("/sign-in")).asks_for_a_password


async def test_the_server_ends_the_sessions_of_a_sign_in_that_is_over(cas: ApereoCas, at_cas: WebBrowser) -> None:
    async with WebBrowser(at_cas.gateway) as other:
        await at_cas.sign_in("student")
        await other.sign_in("student")
        assert await at_cas.is_in()
        await at_cas.open(f"{cas.address}/logout")

        async def out() -> bool:
            return not await at_cas.is_in()

        await eventually(out, what="the single logout", timeout_s=30)
        assert await other.is_in(), "its ticket is another"


async def test_a_ticket_is_good_once_for_its_service(cas: ApereoCas, at_cas: WebBrowser, client: CasClient) -> None:
    ticket = await ticket_of(cas, at_cas)
    identity = await client.identity(ATTEMPT, {"ticket": ticket})
    assert identity is not None
    assert (identity.subject, identity.student_ids, identity.name) == ("student", ("TS22010001",), "苏木槿")
    assert identity.auth_time is not None, "the server dates the sign-in"
    with pytest.raises(SignInRefused, match="ticket_refused"):
        await client.identity(ATTEMPT, {"ticket": ticket})
    other = await ticket_of(cas, at_cas, SERVICE.replace("s-1", "s-2"), password=False)
    with pytest.raises(SignInRefused, match="ticket_refused"):
        await client.identity(ATTEMPT, {"ticket": other})


async def test_a_ticket_without_a_password_does_not_do_where_one_is_asked_for(
    cas: ApereoCas, at_cas: WebBrowser, client: CasClient
) -> None:
    again = Attempt(ATTEMPT.return_to, ATTEMPT.state, ATTEMPT.nonce, ATTEMPT.verifier, again=True)
    assert await client.identity(again, {"ticket": await ticket_of(cas, at_cas)}) is not None
    silent = await ticket_of(cas, at_cas, password=False)
    with pytest.raises(SignInRefused, match="stale_authentication|ticket_refused"):
        await client.identity(again, {"ticket": silent})
    page = await at_cas.open(await client.sign_in_url(again))
    assert page.asks_for_a_password
