"""What a role asks of a sign-in, and that the provider is asked again whether somebody still has it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.responses import JSONResponse

from deploy.local.installation import new_student_id
from services.kit.names import CERTIFICATE_DESK, desk_role
from tests.support.gateway.hostile_provider import NEXT_KEY, Answer, Hostile, answer, come_back, start
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import rows

_numbers: Iterator[int] = count()
LIBRARY = desk_role("library")


@asynccontextmanager
async def browser_of(gateway: RunningGateway) -> AsyncIterator[BrowserClient]:
    browser = BrowserClient(gateway)
    try:
        yield browser
    finally:
        await browser.close()


def clerk(**claims: Any) -> dict[str, Any]:
    """Claims of somebody new at the certificate desk who has just signed in at the provider."""
    return {"sub": f"clerk-{next(_numbers)}", "roles": [CERTIFICATE_DESK], "auth_time": int(time.time()), **claims}


def asked(answer: httpx.Response) -> dict[str, list[str]]:
    return parse_qs(urlsplit(answer.headers["location"]).query)


async def test_the_certificate_desk_asks_for_a_recent_sign_in_and_a_student_for_none(
    hostile_gate: RunningGateway, hostile: Hostile
) -> None:
    async with browser_of(hostile_gate) as browser:
        assert asked(await browser.get("/sign-in?next=desk"))["max_age"] == ["28800"]
        assert "max_age" not in asked(await browser.get("/sign-in?next=case"))
        state, nonce = await start(browser)
        old = {"sub": "a student", "student_id": new_student_id(), "auth_time": 1}
        assert (await come_back(browser, hostile, state, nonce, **old)).headers["location"] == "/case"


@pytest.mark.parametrize("auth_time", [None, int(time.time()) - 28_800 - 600], ids=["not said", "yesterday"])
async def test_an_old_sign_in_is_asked_for_again_and_then_refused(
    hostile_gate: RunningGateway, hostile: Hostile, auth_time: int | None
) -> None:
    who = clerk(auth_time=auth_time)
    async with browser_of(hostile_gate) as browser:
        state, nonce = await start(browser)
        again = await come_back(browser, hostile, state, nonce, **who)
        query = asked(again)
        assert (again.status_code, query["max_age"], browser.session_id) == (303, ["28800"], None)
        refused = await come_back(browser, hostile, query["state"][0], query["nonce"][0], **who)
        assert (refused.status_code, "近期重新登录" in refused.text, browser.session_id) == (403, True, None)
        assert (await browser.get("/desk")).status_code == 303


async def test_who_signs_in_anew_when_asked_comes_in_and_stays_no_longer_than_that_is_recent(
    hostile_gate: RunningGateway, hostile: Hostile
) -> None:
    before = int(time.time()) - 28_700
    async with browser_of(hostile_gate) as browser:
        state, nonce = await start(browser, "desk")
        who = clerk(auth_time=before)
        done = await come_back(browser, hostile, state, nonce, **who)
        assert done.headers["location"] == "/desk"
        assert (await browser.get("/desk")).status_code == 200
        (row,) = await rows(hostile_gate.database, "SELECT expires_at FROM session WHERE subject = $1", who["sub"])
        assert row["expires_at"].timestamp() <= before + 28_800 + 60


def tokens(hostile: Hostile, refresh_token: str = "r-2", nonce: str | None = None, **claims: Any) -> Answer:
    """With a refresh token; without nonce, as answers to one are."""
    return lambda: JSONResponse(
        {
            "access_token": "a",
            "token_type": "Bearer",
            "id_token": hostile.signed(nonce=nonce, **claims),
            "refresh_token": refresh_token,
        }
    )


async def working(browser: BrowserClient, hostile: Hostile, **claims: Any) -> str:
    """Signed in at the certificate desk with a refresh token, and the roles are due; the subject."""
    who = clerk(**claims)
    state, nonce = await start(browser, "desk")
    hostile.is_about(who["sub"])
    hostile.token = tokens(hostile, "r-1", nonce=nonce, **who)
    await browser.get(f"/sign-in/callback?code=c-1&state={state}")
    assert browser.session_id is not None
    await due(browser, who["sub"])
    hostile.asked.clear()
    return str(who["sub"])


async def due(browser: BrowserClient, subject: str, *, confirmed_s_ago: float = 300) -> None:
    await rows(
        browser.gateway.database,
        "UPDATE session SET roles_due_at = now(), roles_confirmed_at = now() - interval '1 s' * $2 WHERE subject = $1",
        subject,
        confirmed_s_ago,
    )


async def ends(gateway: RunningGateway, subject: str) -> list[str]:
    found = await rows(
        gateway.database, "SELECT outcome FROM audit.entry WHERE actor = $1 AND act = 'session.end'", subject
    )
    return [row["outcome"] for row in found]


async def test_a_role_taken_away_at_the_provider_is_gone_here_within_minutes_without_signing_out(
    hostile_gate: RunningGateway, hostile: Hostile
) -> None:
    async with browser_of(hostile_gate) as browser:
        sub = await working(browser, hostile, roles=[CERTIFICATE_DESK, LIBRARY])
        hostile.token = tokens(hostile, sub=sub, roles=[LIBRARY, desk_role("finance")])
        assert (await browser.get("/desk")).status_code == 403
        assert hostile.asked["/token"] == 1
        (row,) = await rows(hostile_gate.database, "SELECT roles FROM session WHERE subject = $1", sub)
        assert row["roles"] == [LIBRARY], "a role that came counts from the next sign-in"
        changed = await rows(
            hostile_gate.database, "SELECT outcome FROM audit.entry WHERE actor = $1 AND act = 'session.roles'", sub
        )
        assert [entry["outcome"] for entry in changed] == ["reduced"]


async def test_somebody_without_any_role_left_is_out(hostile_gate: RunningGateway, hostile: Hostile) -> None:
    async with browser_of(hostile_gate) as browser:
        sub = await working(browser, hostile)
        hostile.token = tokens(hostile, sub=sub, roles=[])
        assert (await browser.get("/desk")).headers["location"] == "/sign-in?next=desk"
        assert await ends(hostile_gate, sub) == ["roles-removed"]


@pytest.mark.parametrize("other", [False, True], ids=["refused", "of another person"])
async def test_a_sign_in_that_is_over_at_the_provider_is_over_here(
    hostile_gate: RunningGateway, hostile: Hostile, other: bool
) -> None:
    async with browser_of(hostile_gate) as browser:
        sub = await working(browser, hostile)
        refused: Answer = lambda: JSONResponse({"error": "invalid_grant"}, 400)  # noqa: E731
        hostile.token = tokens(hostile, sub="somebody else", roles=[CERTIFICATE_DESK]) if other else refused
        assert (await browser.get("/api/v1/desk")).status_code == 401
        assert await ends(hostile_gate, sub) == ["over-at-provider"]


async def test_a_provider_that_is_away_stops_nobody_for_an_hour(hostile_gate: RunningGateway, hostile: Hostile) -> None:
    async with browser_of(hostile_gate) as browser:
        sub = await working(browser, hostile)
        hostile.token = lambda: JSONResponse({}, 500)
        assert (await browser.get("/desk")).status_code == 200
        assert (await browser.get("/desk")).status_code == 200
        assert hostile.asked["/token"] == 1, "the next is asked half a minute later"
        await due(browser, sub, confirmed_s_ago=3_700)
        assert (await browser.get("/desk")).status_code == 303
        assert await ends(hostile_gate, sub) == ["roles-unconfirmed"]


async def test_keys_that_are_being_replaced_end_no_session(hostile_gate: RunningGateway, hostile: Hostile) -> None:
    async with browser_of(hostile_gate) as browser:
        sub = await working(browser, hostile)
        signed = hostile.signed(NEXT_KEY, sub=sub, nonce=None, roles=[CERTIFICATE_DESK])
        hostile.token = answer(signed)
        assert (await browser.get("/desk")).status_code == 200
        assert hostile.asked["/token"] == 1
        assert await ends(hostile_gate, sub) == []


async def test_requests_side_by_side_ask_once_and_the_new_refresh_token_is_used_the_next_time(
    hostile_gate: RunningGateway, hostile: Hostile
) -> None:
    async with browser_of(hostile_gate) as browser:
        sub = await working(browser, hostile)
        hostile.delay_s = 0.3
        hostile.token = tokens(hostile, sub=sub, roles=[CERTIFICATE_DESK])
        pages = await asyncio.gather(*(browser.get("/desk") for _ in range(5)))
        assert [page.status_code for page in pages] == [200] * 5
        assert hostile.asked["/token"] == 1
        (row,) = await rows(hostile_gate.database, "SELECT refresh_token FROM session WHERE subject = $1", sub)
        hostile.delay_s = 0.0
        await due(browser, sub)
        assert (await browser.get("/desk")).status_code == 200
        assert "refresh_token=r-2" in hostile.form
        assert b"r-2" not in row["refresh_token"], "the table alone gives none away"


async def test_a_student_who_reads_for_hours_is_not_asked_about(hostile_gate: RunningGateway, hostile: Hostile) -> None:
    async with browser_of(hostile_gate) as browser:
        state, nonce = await start(browser)
        who = {"sub": "a reader", "student_id": new_student_id()}
        await come_back(browser, hostile, state, nonce, **who)
        await due(browser, who["sub"], confirmed_s_ago=9_000)
        hostile.asked.clear()
        assert (await browser.get("/api/v1/me")).status_code == 200
        assert hostile.asked["/token"] == 0


async def clear_and_working(browser: BrowserClient, gate: RunningGateway, hostile: Hostile) -> tuple[str, str]:
    """Number and subject of a student who works here too."""
    number = new_student_id()
    sub = await working(browser, hostile, student_id=number)
    clearance = ReadModelWriter(gate.read_model)
    await clearance.put_case(number)
    await clearance.all_clear(number)
    return number, sub


@pytest.mark.parametrize("address", ["/case", "/api/v1/case", "/me"])
async def test_a_student_who_works_here_too_is_out_when_the_sign_in_is_over_at_the_provider(
    hostile_gate: RunningGateway, hostile: Hostile, address: str
) -> None:
    async with browser_of(hostile_gate) as browser:
        _, sub = await clear_and_working(browser, hostile_gate, hostile)
        hostile.token = lambda: JSONResponse({"error": "invalid_grant"}, 400)
        assert (await browser.get(address)).status_code in (303, 401)
        assert await ends(hostile_gate, sub) == ["over-at-provider"]


async def test_the_case_page_of_a_student_who_works_here_too_has_the_roles_of_now(
    hostile_gate: RunningGateway, hostile: Hostile
) -> None:
    async with browser_of(hostile_gate) as browser:
        number, sub = await clear_and_working(browser, hostile_gate, hostile)
        hostile.token = tokens(hostile, sub=sub, student_id=number, roles=[])
        page = await browser.get("/case")
        assert (page.status_code, 'href="/desk"' in page.text) == (200, False)
