"""Student numbers as providers claim them: in another spelling, at userinfo, several at once."""

import re
from typing import Any

import pytest
from fastapi.responses import JSONResponse

from deploy.local.installation import new_student_id
from schemas.events import CaseState
from services.kit.names import CERTIFICATE_DESK
from tests.support.gateway.hostile_provider import Hostile, sign_in
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import rows

CHOICE = "/sign-in/number"


@pytest.fixture(scope="module")
def gateway(hostile_gate: RunningGateway) -> RunningGateway:
    return hostile_gate


@pytest.fixture
def numbers() -> list[str]:
    return [new_student_id(), new_student_id()]


async def student_id(browser: BrowserClient) -> str:
    signed_in: str = (await browser.get("/api/v1/me")).json()["student_id"]
    return signed_in


async def token_of(browser: BrowserClient) -> str:
    found = re.search(r'<form class="numbers".*?name="csrf" value="([^"]+)"', (await browser.get(CHOICE)).text, re.S)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("claimed", "number"),
    [
        *((" ts22017007 ", "TS22017007"), ("ＴＳ２２０１７００７", "TS22017007"), (22017007, "22017007")),
        *((["TS22017007"], "TS22017007"), (["ts22017007", "TS22017007"], "TS22017007")),
    ],
)
async def test_one_number_signs_in_however_it_is_spelled(
    browser: BrowserClient, hostile: Hostile, claimed: object, number: str
) -> None:
    assert (await sign_in(browser, hostile, student_id=claimed)).headers["location"] == "/case"
    assert await student_id(browser) == number


async def test_a_number_that_is_only_at_userinfo_signs_in(browser: BrowserClient, hostile: Hostile) -> None:
    hostile.userinfo = lambda: JSONResponse({"sub": "u-1", "student_id": "TS22017008"})
    assert (await sign_in(browser, hostile)).headers["location"] == "/case"
    assert await student_id(browser) == "TS22017008"


async def test_of_several_numbers_the_one_on_the_roster_is_taken(
    browser: BrowserClient, hostile: Hostile, clearance: ReadModelWriter, numbers: list[str]
) -> None:
    await clearance.put_case(numbers[0], state=CaseState.CLOSED)
    await clearance.put_case(numbers[1])
    answer = await sign_in(browser, hostile, "me", student_id=numbers)
    assert answer.headers["location"] == "/me"
    assert await student_id(browser) == numbers[1]


@pytest.mark.parametrize("listed", [0, 2])
async def test_with_none_or_two_on_the_roster_the_person_chooses(
    gateway: RunningGateway,
    browser: BrowserClient,
    hostile: Hostile,
    clearance: ReadModelWriter,
    numbers: list[str],
    listed: int,
) -> None:
    for number in numbers[:listed]:
        await clearance.put_case(number)
    answer = await sign_in(browser, hostile, "me", student_id=numbers)
    assert (answer.headers["location"], browser.session_id) == (CHOICE, None)
    page = await browser.get(CHOICE)
    assert "选择学号" in page.text
    assert page.text.count("信息与控制工程学院") == listed
    assert re.findall(r'name="student_id" value="([^"]+)"', page.text) == numbers
    cookie = next(line for line in browser.set_cookies if line.startswith("__Host-number-choice="))
    assert all(part in cookie for part in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"))
    chosen = await browser.post(CHOICE, {"csrf": await token_of(browser), "student_id": numbers[1]})
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/me")
    assert await student_id(browser) == numbers[1]
    assert await rows(gateway.database, "SELECT 1 FROM number_choice WHERE $1 = ANY(student_ids)", numbers[0]) == []


async def test_while_the_read_model_is_away_the_person_chooses(
    gateway: RunningGateway, browser: BrowserClient, hostile: Hostile, clearance: ReadModelWriter, numbers: list[str]
) -> None:
    await clearance.put_case(numbers[0])
    await rows(gateway.read_model, "ALTER VIEW published.case_v1 RENAME TO case_v1_away")
    try:
        assert (await sign_in(browser, hostile, student_id=numbers)).headers["location"] == CHOICE
        assert (await browser.get(CHOICE)).status_code == 200
    finally:
        await rows(gateway.read_model, "ALTER VIEW published.case_v1_away RENAME TO case_v1")


async def test_only_a_number_of_the_claim_can_be_chosen(
    browser: BrowserClient, hostile: Hostile, clearance: ReadModelWriter, numbers: list[str]
) -> None:
    other = new_student_id()
    await clearance.put_case(other)
    await sign_in(browser, hostile, student_id=numbers)
    token = await token_of(browser)
    for wrong in (other, numbers[0].lower(), "", "x" * 65):
        answer = await browser.post(CHOICE, {"csrf": token, "student_id": wrong})
        assert answer.status_code in (403, 422)
        assert browser.session_id is None


async def test_a_choice_without_its_token_or_from_another_browser_is_refused(
    gateway: RunningGateway, browser: BrowserClient, hostile: Hostile, numbers: list[str]
) -> None:
    await sign_in(browser, hostile, student_id=numbers)
    token = await token_of(browser)
    for csrf in ("", "x" * 43):
        assert (await browser.post(CHOICE, {"csrf": csrf, "student_id": numbers[0]})).status_code == 403
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert (await browser.post(CHOICE, {"csrf": token, "student_id": numbers[0]}, elsewhere)).status_code == 403
    stranger = BrowserClient(gateway)
    assert (await stranger.post(CHOICE, {"csrf": token, "student_id": numbers[0]})).status_code == 401
    assert (await stranger.get(CHOICE)).headers["location"] == "/sign-in?next=case"
    await stranger.close()
    assert browser.session_id is None


async def test_a_choice_is_made_once_and_coming_back_to_it_leads_to_the_case(
    browser: BrowserClient, hostile: Hostile, numbers: list[str]
) -> None:
    await sign_in(browser, hostile, student_id=numbers)
    cookies = dict(browser.cookies)
    fields = {"csrf": await token_of(browser), "student_id": numbers[0]}
    await browser.post(CHOICE, fields)
    assert (await browser.get(CHOICE)).headers["location"] == "/case"
    assert (await browser.post(CHOICE, fields)).headers["location"] == "/case"
    browser.cookies = cookies  # as somebody who copied the cookie has it
    assert (await browser.post(CHOICE, fields)).status_code == 401


async def test_a_choice_that_was_left_open_ends_by_itself(
    gateway: RunningGateway, browser: BrowserClient, hostile: Hostile, numbers: list[str]
) -> None:
    await sign_in(browser, hostile, student_id=numbers)
    await rows(gateway.database, "UPDATE number_choice SET expires_at = now() - interval '1 s'")
    assert (await browser.get(CHOICE)).headers["location"] == "/sign-in?next=case"


async def test_having_to_choose_ends_the_session_that_the_browser_had(
    browser: BrowserClient, hostile: Hostile, numbers: list[str]
) -> None:
    await sign_in(browser, hostile, student_id=new_student_id())
    kept = dict(browser.cookies)
    await sign_in(browser, hostile, student_id=numbers)
    assert browser.session_id is None
    browser.cookies = kept
    assert (await browser.get("/api/v1/me")).status_code == 401


async def test_a_clerk_with_two_numbers_keeps_the_role(
    browser: BrowserClient, hostile: Hostile, numbers: list[str]
) -> None:
    claims: dict[str, Any] = {"student_id": numbers, "roles": [CERTIFICATE_DESK, "another"]}
    await sign_in(browser, hostile, "desk", **claims)
    chosen = await browser.post(CHOICE, {"csrf": await token_of(browser), "student_id": numbers[0]})
    assert chosen.headers["location"] == "/desk"
    assert (await browser.get("/desk")).status_code == 200


async def test_the_page_is_in_english_too_and_switching_stays_on_it(
    gateway: RunningGateway, hostile: Hostile, numbers: list[str]
) -> None:
    english = BrowserClient(gateway, "en-GB")
    await sign_in(english, hostile, student_id=numbers)
    assert "Choose a student number" in (await english.get(CHOICE)).text
    switched = await english.post("/language", {"language": "zh", "back": CHOICE})
    assert switched.headers["location"] == CHOICE
    assert "选择学号" in (await english.get(CHOICE)).text
    await english.close()
