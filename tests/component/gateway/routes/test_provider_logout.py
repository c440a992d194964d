"""Back-channel logout: the provider ends sessions, and nobody else does in its name."""

import asyncio
import time
from secrets import token_hex
from typing import Any

import httpx
import pytest
from joserfc import jwt

from deploy.local.http_clients import local_client
from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.gateway.identity.oidc.logout_token import EVENT, MAX_AGE_S
from services.gateway.routes.session.provider_logout import ADDRESS
from tests.support.gateway.hostile_provider import FOREIGN_KEY, KEY, Hostile, answer, sign_in, start
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import id_of, rows
from tests.support.waiting import eventually


async def is_in(browser: BrowserClient) -> bool:
    return (await browser.get("/api/v1/favourite")).status_code == 200


async def test_a_provider_that_signs_somebody_out_ends_every_session_and_open_page(
    gateway: RunningGateway, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    browsers = [BrowserClient(gateway) for _ in range(2)]
    for browser in browsers:
        await browser.sign_in(person)
    lines: list[str] = []

    async def listen() -> None:
        async with browsers[1].stream("/case/live") as response:
            async for line in response.aiter_lines():
                lines.append(line)

    listening = asyncio.create_task(listen())
    await eventually(lambda: bool(lines), what="the stream")
    async with local_client() as there:
        told = await there.post(f"{gateway.issuer}/sign-out-everywhere", data={"sub": person.sub})
    assert told.json() == {"gateway": 200}
    assert [await is_in(browser) for browser in browsers] == [False, False]
    await asyncio.wait_for(listening, 10)
    entries = await rows(
        gateway.database,
        "SELECT actor, outcome FROM audit.entry WHERE student_id = $1 AND act = 'session.end'",
        id_of(person),
    )
    assert [tuple(entry) for entry in entries] == [("identity provider", "by-provider")] * 2
    for browser in browsers:
        await browser.close()


def logout_token(hostile: Hostile, key: Any = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A right logout token of `u-1` with `changes`; None takes a claim away."""
    now_s = int(time.time())
    right = {
        "iss": hostile.issuer,
        "aud": "lixiao",
        "iat": now_s,
        "exp": now_s + 120,
        "jti": token_hex(8),
        "sub": "u-1",
        "events": {EVENT: {}},
    }
    claims = {name: value for name, value in {**right, **changes}.items() if value is not None}
    return jwt.encode({"alg": "RS256", "kid": "k-1", "typ": "logout+jwt", **(header or {})}, claims, key, ["RS256"])


async def sent(gateway: RunningGateway, token: str) -> httpx.Response:
    """As a provider sends it: without a cookie, an origin or a browser."""
    async with local_client(gateway.address) as http:
        return await http.post(ADDRESS, data={"logout_token": token})


async def signed_in(gateway: RunningGateway, hostile: Hostile, **claims: Any) -> BrowserClient:
    browser = BrowserClient(gateway)
    await sign_in(browser, hostile, student_id=new_student_id(), **claims)
    assert await is_in(browser)
    return browser


async def test_only_the_session_that_the_provider_names_ends(hostile_gate: RunningGateway, hostile: Hostile) -> None:
    first = await signed_in(hostile_gate, hostile, sid="s-1")
    second = await signed_in(hostile_gate, hostile, sid="s-2")
    other = await signed_in(hostile_gate, hostile, sub="u-2", sid="s-3")
    assert (await sent(hostile_gate, logout_token(hostile, sid="s-1"))).status_code == 200
    assert [await is_in(one) for one in (first, second, other)] == [False, True, True]
    assert (await sent(hostile_gate, logout_token(hostile, sid="s-3"))).status_code == 200
    assert await is_in(other), "its subject is another"
    assert (await sent(hostile_gate, logout_token(hostile, sid="s-3", sub=None))).status_code == 200
    assert not await is_in(other)
    assert (await sent(hostile_gate, logout_token(hostile))).status_code == 200
    assert not await is_in(second)
    for browser in (first, second, other):
        await browser.close()


NOW_S = int(time.time())
FORGED: dict[str, dict[str, Any]] = {
    "another key": {"key": FOREIGN_KEY},
    "a key that is not published": {"header": {"kid": "k-9"}},
    "another issuer": {"iss": "https://evil.example"},
    "another client's": {"aud": "another"},
    "no audience": {"aud": None},
    "no instant": {"iat": None},
    "an instant that is a text": {"iat": "now"},
    "long ago": {"iat": NOW_S - MAX_AGE_S - 600, "exp": NOW_S + 9_000},
    "not yet": {"iat": NOW_S + 9_000, "exp": NOW_S + 9_100},
    "expired": {"exp": NOW_S - 600},
    "no id": {"jti": None},
    "an id that is a list": {"jti": ["x"]},
    "nobody": {"sub": None},
    "a subject with NUL": {"sub": "u-1\x00"},
    "a session that is a number": {"sid": 7},
    "an ID token": {"events": None},
    "of another event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "an event that is no object": {"events": {EVENT: "yes"}},
    "events that are a list": {"events": [EVENT]},
    "with a nonce": {"nonce": "n-1"},
    "an access token": {"header": {"typ": "at+jwt"}},
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
async def test_a_forged_logout_token_ends_nothing(
    hostile_gate: RunningGateway, hostile: Hostile, forged: dict[str, Any]
) -> None:
    browser = await signed_in(hostile_gate, hostile, sid="s-forged")
    refused = await sent(hostile_gate, logout_token(hostile, **forged))
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_request"})
    assert refused.headers["cache-control"] == "no-store"
    assert await is_in(browser)
    await browser.close()


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "x" * 40_000], ids=["none", "x", "a.b.c", "é", "long"])
async def test_what_is_no_token_is_refused(hostile_gate: RunningGateway, hostile: Hostile, token: str) -> None:
    assert (await sent(hostile_gate, token)).status_code == 400


async def test_a_logout_token_works_once(hostile_gate: RunningGateway, hostile: Hostile) -> None:
    token = logout_token(hostile, sub="u-again")
    assert (await sent(hostile_gate, token)).status_code == 200
    browser = await signed_in(hostile_gate, hostile, sub="u-again")
    assert (await sent(hostile_gate, token)).status_code == 400
    assert await is_in(browser)
    (entry,) = await rows(
        hostile_gate.database, "SELECT outcome FROM audit.entry WHERE act = 'logout.refuse' AND outcome = 'replayed'"
    )
    assert entry["outcome"] == "replayed"
    await browser.close()


async def test_a_logout_token_signs_nobody_in(hostile_gate: RunningGateway, hostile: Hostile) -> None:
    browser = BrowserClient(hostile_gate)
    state, nonce = await start(browser)
    hostile.token = answer(logout_token(hostile, nonce=nonce, student_id=new_student_id()))
    assert (await browser.get(f"/sign-in/callback?code=c-1&state={state}")).status_code == 403
    assert browser.session_id is None
    await browser.close()
