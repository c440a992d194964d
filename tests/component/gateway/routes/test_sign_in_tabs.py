"""Several sign-ins in one browser, and callbacks that come again."""

import pytest
from fastapi.responses import JSONResponse

from deploy.local.installation import new_student_id
from services.gateway.web.cookies import SIGN_IN_PREFIX
from services.gateway.web.sign_in_cookies import MAX_UNDER_WAY
from services.kit.names import CERTIFICATE_DESK
from tests.support.gateway.hostile_provider import Hostile, come_back, sign_in, start
from tests.support.gateway.server import BrowserClient, RunningGateway


@pytest.fixture(scope="module")
def gateway(hostile_gate: RunningGateway) -> RunningGateway:
    return hostile_gate


def under_way(browser: BrowserClient) -> list[str]:
    return [name for name in browser.cookies if name.startswith(SIGN_IN_PREFIX)]


@pytest.mark.parametrize("first", [0, 1])
async def test_two_tabs_sign_in_at_once_whichever_ends_first(
    browser: BrowserClient, hostile: Hostile, first: int
) -> None:
    tabs = [await start(browser, "case"), await start(browser, "me")]
    places = ["/case", "/me"]
    for tab in (first, 1 - first):
        answer = await come_back(browser, hostile, *tabs[tab], student_id=new_student_id())
        assert (answer.status_code, answer.headers["location"]) == (303, places[tab])
    assert under_way(browser) == []
    assert (await browser.get("/case")).status_code == 200


async def test_a_refusal_in_one_tab_leaves_the_other_alone(browser: BrowserClient, hostile: Hostile) -> None:
    refused, other = await start(browser), await start(browser)
    assert (await come_back(browser, hostile, *refused, iss="https://elsewhere.example.edu")).status_code == 403
    cancelled = await start(browser)
    assert (await browser.get(f"/sign-in/callback?error=access_denied&state={cancelled[0]}")).status_code == 400
    assert len(under_way(browser)) == 1
    assert (await come_back(browser, hostile, *other, student_id=new_student_id())).status_code == 303


async def test_a_browser_keeps_a_few_sign_ins_and_forgets_the_oldest(browser: BrowserClient, hostile: Hostile) -> None:
    browser.cookies[f"{SIGN_IN_PREFIX}{'x' * 16}"] = "of another version"
    tabs = [await start(browser) for _ in range(MAX_UNDER_WAY + 1)]
    assert len(under_way(browser)) == MAX_UNDER_WAY
    for name, value in browser.cookies.items():
        if tabs[-1][0] in value:
            browser.cookies[name] = value.rsplit(".", 2)[0] + ".1.0"  # as started long ago
    tabs.append(await start(browser))
    assert len(under_way(browser)) == MAX_UNDER_WAY
    assert (await come_back(browser, hostile, *tabs[-2], student_id=new_student_id())).status_code == 400
    assert (await come_back(browser, hostile, *tabs[-1], student_id=new_student_id())).status_code == 303


async def test_a_cookie_serves_no_other_sign_in(browser: BrowserClient, hostile: Hostile) -> None:
    state, nonce = await start(browser)
    assert (await come_back(browser, hostile, state[:16] + "x" * 27, nonce)).status_code == 400
    assert len(under_way(browser)) == 1
    assert browser.session_id is None


@pytest.mark.parametrize(
    ("claims", "home"), [({"student_id": "TS22010001"}, "/case"), ({"roles": [CERTIFICATE_DESK]}, "/desk")]
)
async def test_a_callback_that_comes_again_leads_a_signed_in_person_to_their_page(
    browser: BrowserClient, hostile: Hostile, claims: dict[str, object], home: str
) -> None:
    state, nonce = await start(browser)
    await come_back(browser, hostile, state, nonce, **claims)
    session = browser.session_id
    again = await come_back(browser, hostile, state, nonce, **claims)
    assert (again.status_code, again.headers["location"]) == (303, home)
    assert browser.session_id == session


async def test_a_code_that_was_spent_by_a_second_click_leads_to_the_case(
    browser: BrowserClient, hostile: Hostile
) -> None:
    await sign_in(browser, hostile, student_id=new_student_id())
    state, _ = await start(browser)
    hostile.token = lambda: JSONResponse({"error": "invalid_grant"}, 400)
    answer = await browser.get(f"/sign-in/callback?code=spent&state={state}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/case")


async def test_a_callback_that_comes_again_after_the_session_ended_says_to_sign_in(
    browser: BrowserClient, hostile: Hostile
) -> None:
    state, nonce = await start(browser)
    await come_back(browser, hostile, state, nonce, student_id=new_student_id())
    await browser.post("/sign-out", {"csrf": await browser.csrf()})
    again = await come_back(browser, hostile, state, nonce, student_id=new_student_id())
    assert again.status_code == 400
    assert 'href="/sign-in?next=case"' in again.text
