"""Signing in by CAS: one ticket for one sign-in, sessions that the server ends, and servers that misbehave."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import Response
from fastapi.responses import RedirectResponse

from deploy.local.http_clients import local_client
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.identity.cas.client import USER, CasClient, CasSettings
from services.gateway.identity.errors import ProviderUnavailable, SignInRefused
from services.gateway.identity.http import MAX_RESPONSE_BYTES
from services.gateway.identity.provider import Attempt
from services.kit.names import CERTIFICATE_DESK, desk_role
from services.kit.postgres.migrations import migrate
from tests.support.gateway.cas_server import LOGOUT, CasServer, cas_gateway, come_back, running_cas, sign_in, start
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import rows
from tests.support.servers.fixtures import DatabaseMaker

ATTEMPT = Attempt("https://lixiao.example.edu/sign-in/callback", "s-1", "n-1", "v" * 43)
SERVICE = f"{ATTEMPT.return_to}?state={ATTEMPT.state}"


@pytest.fixture(scope="module")
def running() -> Iterator[CasServer]:
    with running_cas() as cas:
        yield cas


@pytest.fixture
def cas(running: CasServer) -> CasServer:
    running.behave()
    return running


@pytest.fixture(scope="module")
async def cas_gate(make_database: DatabaseMaker, running: CasServer) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with cas_gateway(database, read_model, running) as gateway:
        yield gateway


@pytest.fixture
async def visitor(cas_gate: RunningGateway) -> AsyncIterator[BrowserClient]:
    browser = BrowserClient(cas_gate)
    yield browser
    await browser.close()


async def is_in(browser: BrowserClient) -> bool:
    return (await browser.get("/api/v1/favourite")).status_code == 200


async def told(gateway: RunningGateway, address: str, request: str) -> httpx.Response:
    """As a server sends it: without a cookie, an origin or a browser."""
    async with local_client(gateway.address) as http:
        return await http.post(address, data={"logoutRequest": request})


async def test_a_student_signs_in_and_out_and_the_server_is_asked_to_end_its_session(
    cas_gate: RunningGateway, visitor: BrowserClient, cas: CasServer
) -> None:
    student_id = new_student_id()
    back, ticket = await sign_in(visitor, cas, "u-1", student_id=student_id, name="苏木槿")
    assert (back.status_code, back.headers["location"]) == (303, "/case")
    assert await is_in(visitor)
    (session,) = await rows(
        cas_gate.database, "SELECT issuer, subject, sid, id_token FROM session WHERE student_id = $1", student_id
    )
    assert (session["issuer"], session["subject"], session["id_token"]) == (cas.address, "u-1", None)
    assert ticket not in session["sid"]
    left = await visitor.post("/sign-out", {"csrf": await visitor.csrf()})
    assert f'method="get" action="{cas.address}/logout"' in left.text
    assert f'name="service" value="{cas_gate.address}/signed-out?state=everywhere"' in left.text
    assert not await is_in(visitor)


async def test_staff_have_the_roles_of_an_attribute_that_is_given_several_times(
    visitor: BrowserClient, cas: CasServer
) -> None:
    roles = ["another system's", desk_role("library"), CERTIFICATE_DESK]
    back, _ = await sign_in(visitor, cas, "clerk", place="desk", roles=roles, authenticationDate=_ago(minutes=1))
    assert (back.status_code, back.headers["location"]) == (303, "/desk")
    assert (await visitor.get("/staff/library")).status_code == 200


async def test_several_student_numbers_are_a_choice(visitor: BrowserClient, cas: CasServer) -> None:
    back, _ = await sign_in(visitor, cas, "u-2", student_id=[new_student_id(), new_student_id()])
    assert back.headers["location"] == "/sign-in/number"


async def test_a_ticket_signs_in_once_and_in_the_browser_that_asked_alone(
    cas_gate: RunningGateway, visitor: BrowserClient, cas: CasServer
) -> None:
    service = await start(visitor)
    ticket = cas.ticket(service, "u-3", student_id=new_student_id())
    stranger = BrowserClient(cas_gate)
    await start(stranger)
    assert (await come_back(stranger, service, ticket)).status_code == 400
    assert cas.asked == [], "nothing is asked for a state that this browser did not bring"
    assert (await come_back(visitor, service, ticket)).status_code == 303
    assert cas.asked == [{"service": service, "ticket": ticket}]
    again = await come_back(visitor, service, ticket)
    assert again.headers["location"] == "/case", "its sign-in is over; the session goes on"
    other = await start(stranger)
    assert (await come_back(stranger, other, ticket)).status_code == 403
    assert not await is_in(stranger)
    await stranger.close()


async def test_a_ticket_of_another_service_signs_nobody_in(visitor: BrowserClient, cas: CasServer) -> None:
    ticket = cas.ticket("https://library.example.edu/callback", "u-4", student_id=new_student_id())
    assert (await come_back(visitor, await start(visitor), ticket)).status_code == 403
    assert not await is_in(visitor)


@pytest.mark.parametrize("ticket", ["PT-1-abc", "TGT-1-abc", "ST-1%26service%3Dx", "ST-%00", "x" * 300])
async def test_what_is_no_service_ticket_is_refused_unasked(
    visitor: BrowserClient, cas: CasServer, ticket: str
) -> None:
    assert (await come_back(visitor, await start(visitor), ticket)).status_code == 403
    assert cas.asked == []


async def test_an_account_without_a_number_is_told_so_and_can_leave(visitor: BrowserClient, cas: CasServer) -> None:
    back, _ = await sign_in(visitor, cas, "guest", name="方石")
    assert back.status_code == 403
    assert "当前账号没有学号" in back.text
    assert f'action="{cas.address}/logout"' in back.text


async def test_a_sign_in_that_is_too_old_for_a_role_is_asked_for_with_the_password(
    visitor: BrowserClient, cas: CasServer
) -> None:
    role = {"roles": CERTIFICATE_DESK}
    again, _ = await sign_in(visitor, cas, "clerk", "desk", authenticationDate=_ago(hours=9), **role)
    query = parse_qs(urlsplit(again.headers["location"]).query)
    assert query["renew"] == ["true"]
    ticket = cas.ticket(query["service"][0], "clerk", **role)
    assert (await come_back(visitor, query["service"][0], ticket)).headers["location"] == "/desk"
    assert cas.asked[-1]["renew"] == "true", "the server is to say that the password was given"


async def test_the_server_ends_the_sessions_of_a_ticket_and_of_no_other(
    cas_gate: RunningGateway, cas: CasServer
) -> None:
    browsers = [BrowserClient(cas_gate) for _ in range(3)]
    person = new_student_id()
    tickets = [(await sign_in(browser, cas, "u-5", student_id=person))[1] for browser in browsers]
    assert (await told(cas_gate, "/sign-in/callback?state=x", LOGOUT.format("ST-1-unknown"))).status_code == 200
    assert [await is_in(browser) for browser in browsers] == [True, True, True]
    for _ in range(2):
        assert (await told(cas_gate, "/sign-in/callback?state=x", LOGOUT.format(tickets[0]))).status_code == 200
    assert [await is_in(browser) for browser in browsers] == [False, True, True]
    assert (await told(cas_gate, "/sign-in/logout-token", LOGOUT.format(tickets[1]))).status_code == 200
    assert [await is_in(browser) for browser in browsers] == [False, False, True]
    entries = await rows(
        cas_gate.database,
        "SELECT actor, outcome FROM audit.entry WHERE student_id = $1 AND act = 'session.end'",
        person,
    )
    assert [tuple(entry) for entry in entries] == [("identity provider", "by-provider")] * 2
    for browser in browsers:
        await browser.close()


@pytest.mark.parametrize("request_text", ["", "ST-1-x", LOGOUT.format(""), "<!DOCTYPE x [<!ENTITY e 'x'>]>" + LOGOUT])
async def test_a_forged_single_logout_is_refused(cas_gate: RunningGateway, cas: CasServer, request_text: str) -> None:
    assert (await told(cas_gate, "/sign-in/callback", request_text)).status_code == 400


MISBEHAVING: dict[str, tuple[Response, str]] = {
    "elsewhere": (RedirectResponse("http://127.0.0.1:9/"), "redirected"),
    "an error": (Response("no", 500), "bad_status"),
    "a page": (Response("<html></html>", media_type="text/html"), "bad_answer"),
    "much": (Response(b" " * (MAX_RESPONSE_BYTES + 1)), "too_large"),
}


@pytest.mark.parametrize(("answer", "reason"), MISBEHAVING.values(), ids=MISBEHAVING)
async def test_a_server_that_misbehaves_signs_nobody_in(
    http: httpx.AsyncClient, cas: CasServer, answer: Response, reason: str
) -> None:
    cas.answer = answer
    with pytest.raises(ProviderUnavailable, match=reason):
        await client_of(http, cas).identity(ATTEMPT, {"ticket": cas.ticket(SERVICE, "u-1")})


async def test_a_server_that_is_slow_or_away_is_given_up(http: httpx.AsyncClient, cas: CasServer) -> None:
    cas.delay_s = 5.0
    with pytest.raises(ProviderUnavailable, match="timed_out"):
        await client_of(http, cas, timeout_s=0.2).identity(ATTEMPT, {"ticket": "ST-1-x"})
    away = CasClient(http, CasSettings("http://127.0.0.1:9/cas"))
    with pytest.raises(ProviderUnavailable, match="unreachable"):
        await away.identity(ATTEMPT, {"ticket": "ST-1-x"})


async def test_the_account_itself_may_be_the_number(http: httpx.AsyncClient, cas: CasServer) -> None:
    client = client_of(http, cas, student_id_attribute=USER)
    identity = await client.identity(ATTEMPT, {"ticket": cas.ticket(SERVICE, "ts22010001", student_id="x")})
    assert identity is not None
    assert identity.student_ids == ("TS22010001",)


@pytest.mark.parametrize(
    "attributes",
    [{"name": "x" * 256}, {"student_id": [f"TS2201{n:04}" for n in range(21)]}],
    ids=["a long name", "many numbers"],
)
async def test_an_attribute_that_a_page_cannot_hold_is_refused(
    http: httpx.AsyncClient, cas: CasServer, attributes: dict[str, Any]
) -> None:
    with pytest.raises(SignInRefused, match="claim_malformed"):
        await client_of(http, cas).identity(ATTEMPT, {"ticket": cas.ticket(SERVICE, "u-1", **attributes)})


@pytest.mark.parametrize(
    "server",
    [
        "",
        "http://cas.example.edu/cas",
        "https://cas.example.edu/cas/",
        "https://u:p@cas.example.edu/cas",
        "https://cas.example.edu/cas?x=y",
    ],
)
def test_a_server_is_reached_over_https_at_an_address_that_is_whole(server: str) -> None:
    with pytest.raises(ValueError, match="CAS server"):
        CasSettings(server)


def client_of(http: httpx.AsyncClient, cas: CasServer, **settings: Any) -> CasClient:
    return CasClient(http, CasSettings(cas.address, **settings))


def _ago(**time: float) -> str:
    """As Java writes it."""
    return f"{(datetime.now(UTC) - timedelta(**time)).isoformat()}[UTC]"
