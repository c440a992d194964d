"""Signing in, signing out, and how long a session lasts."""

import pytest

from deploy.local.identity.people import Person
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import STAFF, id_of, rows


async def test_a_student_signs_in_and_reads_their_own_page(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person), name="欧阳𠮷㛃")
    await clearance.all_clear(id_of(person))
    assert (await browser.get("/case")).headers["location"] == "/sign-in?next=case"
    back = await browser.sign_in(person)
    assert (back.status_code, back.headers["location"]) == (303, "/case")
    cookie = next(line for line in browser.set_cookies if line.startswith("__Host-sid="))
    assert all(part in cookie for part in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"))
    assert "Domain" not in cookie
    assert "Max-Age" not in cookie, "it ends with the browser"
    assert "expires" not in cookie.lower(), "it ends with the browser"
    page = await browser.get("/case")
    assert page.status_code == 200
    assert "欧阳𠮷㛃" in page.text
    assert "5 项全部通过" in page.text
    stored = await rows(gateway.database, "SELECT id_hash FROM session WHERE student_id = $1", id_of(person))
    assert [len(row["id_hash"]) for row in stored] == [32]


async def test_a_callback_of_another_browser_signs_nobody_in(browser: BrowserClient) -> None:
    await browser.get("/sign-in")
    answer = await browser.get("/sign-in/callback?code=abc&state=somebody-elses")
    assert answer.status_code == 400
    assert browser.session_id is None


async def test_signing_in_again_gives_a_new_id_and_ends_the_old(
    gateway: RunningGateway, browser: BrowserClient, person: Person
) -> None:
    await browser.sign_in(person)
    first = browser.session_id
    await browser.sign_in(person)
    second = browser.session_id
    assert second != first
    browser.cookies["__Host-sid"] = str(first)
    assert (await browser.get("/api/v1/me")).status_code == 401


async def test_somebody_without_a_student_number_is_told_so(browser: BrowserClient) -> None:
    answer = await browser.sign_in(STAFF)
    assert answer.status_code == 403
    assert "当前账号没有学号" in answer.text
    assert browser.session_id is None


async def test_one_goes_only_to_known_places_after_signing_in(browser: BrowserClient, person: Person) -> None:
    answer = await browser.sign_in(person, place="https://evil.example/")
    assert answer.headers["location"] == "/case"


async def test_signing_out_ends_the_session_everywhere(browser: BrowserClient, person: Person) -> None:
    await browser.sign_in(person)
    kept = dict(browser.cookies)
    answer = await browser.post("/sign-out", {"csrf": await browser.csrf()})
    assert answer.status_code == 200
    assert {'"cache"', '"storage"'} <= set(answer.headers["clear-site-data"].split(", "))
    browser.cookies = kept
    assert (await browser.get("/case")).headers["location"] == "/sign-in?next=case"
    assert "已退出" in (await browser.get("/signed-out")).text


@pytest.mark.parametrize("change", ["seen_at = now() - interval '61 min'", "expires_at = now() - interval '1 s'"])
async def test_a_session_ends_by_itself_unused_or_old(
    gateway: RunningGateway, browser: BrowserClient, person: Person, change: str
) -> None:
    await browser.sign_in(person)
    assert (await browser.get("/api/v1/me")).status_code == 200
    moved = f"UPDATE session SET started_at = started_at - interval '1 day', {change} WHERE student_id = $1"
    await rows(gateway.database, moved, id_of(person))
    assert (await browser.get("/api/v1/me")).status_code == 401
    late = await browser.post("/submit", {"csrf": "x"})
    assert late.status_code == 401
    assert "登录已结束，刚才的操作未执行。" in late.text
    assert 'href="/sign-in?next=case"' in late.text


@pytest.mark.parametrize(
    ("address", "sent_from", "place"),
    [
        ("/submit", "/submit", "case"),
        ("/case/library/cancel-card", "/case/library/cancel-card", "case"),
        ("/favourite", "/", "guide"),
        ("/favourite", "/me", "me"),
        ("/favourite", "", "case"),
        ("/favourite", "//elsewhere.example/evil", "case"),
        ("/favourite", "http://[", "case"),
    ],
)
async def test_a_form_sent_after_the_session_ended_leads_to_signing_in_and_back(
    gateway: RunningGateway, browser: BrowserClient, address: str, sent_from: str, place: str
) -> None:
    referer = f"{gateway.address}{sent_from}" if sent_from.startswith("/") else sent_from
    answer = await browser.post(address, {"csrf": "x", "kept": "yes"}, {"referer": referer})
    assert answer.status_code == 401
    assert "登录已结束，刚才的操作未执行。" in answer.text
    assert f'href="/sign-in?next={place}"' in answer.text
