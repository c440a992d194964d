"""What is refused or slowed, and what every answer carries to keep others out."""

import asyncio
import re

import pytest

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import card_open, clear_and_signed_in, commands, id_of


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example", "sec-fetch-site": ""},
    ],
    ids=["cross-site", "same-site", "none", "old browser of another origin"],
)
async def test_a_write_from_another_site_does_nothing(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person, headers: dict[str, str]
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    assert (await browser.post("/submit", {"csrf": await browser.csrf()}, headers)).status_code == 403
    assert await commands(gateway, person) == []


async def test_a_write_without_the_sessions_token_does_nothing(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    for token in ("", "x" * 43):
        for answer in (
            await browser.post("/case/library/cancel-card", {"csrf": token}),
            await browser.post("/favourite", {"csrf": token, "kept": "yes"}),
            await browser.post("/sign-out", {"csrf": token}),
            await browser.post("/api/v1/commands/library/cancel-card", headers={"X-CSRF-Token": token}),
            await browser.put("/api/v1/favourite", {"kept": True}, headers={"X-CSRF-Token": token}),
        ):
            assert answer.status_code == 403
    assert await commands(gateway, person) == []
    assert (await browser.get("/api/v1/favourite")).json() == {"kept": False}


async def test_no_student_number_but_the_sessions_own_reaches_anything(
    browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    other = new_student_id()
    await clearance.put_case(other, name="别的同学")
    await clearance.put_case(id_of(person))
    await browser.sign_in(person)
    for address in ("/case", "/me", "/completed", "/api/v1/case", "/api/v1/me", "/api/v1/commands"):
        for asked in (f"{address}?student_id={other}", f"{address}/{other}"):
            answer = await browser.get(asked, {"X-User-ID": other, "X-Student-Id": other})
            assert "别的同学" not in answer.text
            assert other not in answer.text


async def test_every_answer_carries_the_headers(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    await browser.sign_in(person)
    style = re.search(r'href="(/static/[^"]+\.css)"', (await browser.get("/")).text)
    assert style is not None
    addresses = [
        "/", "/case", "/me", "/completed", "/submit", "/case/library/cancel-card", "/signed-out", "/sign-in",
        "/sign-in/callback", "/sign-in/number", "/no-such", "/api/v1/me", "/api/v1/case", "/api/v1/none",
        "/health/live", "/health/ready", "/openapi.json", "/metrics", style.group(1), "/static/none.css",
    ]  # fmt: skip
    answers = [await browser.get(address) for address in addresses]
    answers.append(await browser.post("/submit", headers={"sec-fetch-site": "cross-site"}))
    answers.append(await browser.post("/language", {"language": "xx"}))
    async with browser.stream("/case/live") as response:
        answers.append(response)
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        kept = "immutable" if answer.url.path == style.group(1) else "no-"
        assert kept in answer.headers["cache-control"]


async def test_no_page_needs_anything_from_elsewhere_or_inline(browser: BrowserClient, person: Person) -> None:
    await browser.sign_in(person)
    for address in ("/", "/case", "/me", "/completed", "/signed-out"):
        text = (await browser.get(address)).text
        assert re.findall(r"<(?:script|link|img|source|iframe)\b[^>]*(?:src|href)=\"(?!/)", text) == []
        assert re.findall(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", text) == []


async def test_a_burst_of_requests_is_slowed_down(browser: BrowserClient, person: Person) -> None:
    await browser.sign_in(person)
    answers = await asyncio.gather(*(browser.get("/api/v1/me") for _ in range(120)))
    slowed = [answer for answer in answers if answer.status_code == 429]
    assert slowed
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in slowed)
