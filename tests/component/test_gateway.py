"""The gateway over real HTTP and real databases: signing in, reading, asking, and what it refuses."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

import services.clearance
from deploy.local.identity.people import Person
from schemas.codec import read
from schemas.events import (
    CommandAnswered,
    CommandAsked,
    CommandOutcome,
    Reason,
    SubmissionAccepted,
    SubmissionRefused,
    SubmitAsked,
)
from services.gateway.live import MOST_A_SESSION
from services.gateway.submissions import ends
from services.kit.database import migrate
from tests.component.gateway_world import Browser, Clearance, Events, Gate, new_student, running_gateway
from tests.conftest import DatabaseMaker
from tests.unit import gateway_samples as samples
from tests.unit.gateway_samples import NOW
from tests.waiting import eventually

PEOPLE = tuple(Person(sub=f"u-{number}", name=f"虚构{number}", student_id=new_student()) for number in range(40))
STAFF = Person(sub="staff", name="方石", roles=("desk:library",))
CLEARANCE = Path(services.clearance.__file__).parent / "migrations"
_free = iter(PEOPLE)


@pytest.fixture(scope="module")
async def gate(make_database: DatabaseMaker) -> AsyncIterator[Gate]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, (CLEARANCE,))
    with running_gateway(database, read_model, (*PEOPLE, STAFF), streams_sessions_every_s=1.0) as running:
        yield running


@pytest.fixture
def clearance(gate: Gate) -> Clearance:
    return Clearance(gate.read_model)


@pytest.fixture
async def browser(gate: Gate) -> AsyncIterator[Browser]:
    opened = Browser(gate)
    yield opened
    await opened.close()


@pytest.fixture
def person() -> Person:
    """Somebody no other test uses."""
    return next(_free)


def id_of(person: Person) -> str:
    assert person.student_id is not None
    return person.student_id


async def rows(dsn: str, statement: str, *values: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def commands(gate: Gate, person: Person) -> list[asyncpg.Record]:
    return await rows(gate.database, "SELECT * FROM command WHERE student_id = $1", id_of(person))


async def posted(gate: Gate, person: Person) -> list[Any]:
    found = await rows(gate.database, "SELECT value FROM outbox WHERE key = $1", id_of(person).encode())
    return [read(row["value"]) for row in found]


async def card_open(clearance: Clearance, person: Person) -> None:
    await clearance.open(id_of(person))
    await clearance.all_clear(id_of(person))
    borrowing = samples.check("borrowing", samples.CARD_ACTIVE, Reason(code="card-not-cancelled"))
    thesis = samples.check("thesis", {"thesis": "approved"})
    await clearance.say(id_of(person), "library", [borrowing, thesis], version=2)


async def test_a_student_signs_in_and_reads_their_own_page(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
) -> None:
    await clearance.open(id_of(person), name="欧阳𠮷㛃")
    await clearance.all_clear(id_of(person))
    assert (await browser.get("/case")).headers["location"] == "/sign-in?next=case"
    back = await browser.sign_in(person)
    assert (back.status_code, back.headers["location"]) == (303, "/case")
    cookie = next(line for line in browser.set_cookies if line.startswith("__Host-sid="))
    assert all(part in cookie for part in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"))
    assert "Domain" not in cookie
    page = await browser.get("/case")
    assert page.status_code == 200
    assert "欧阳𠮷㛃" in page.text
    assert "5 项全部通过" in page.text
    stored = await rows(gate.database, "SELECT id_hash FROM session WHERE student_id = $1", id_of(person))
    assert [len(row["id_hash"]) for row in stored] == [32]


async def test_a_callback_of_another_browser_signs_nobody_in(browser: Browser) -> None:
    await browser.get("/sign-in")
    answer = await browser.get("/sign-in/callback?code=abc&state=somebody-elses")
    assert answer.status_code == 400
    assert browser.session_id is None


async def test_signing_in_again_gives_a_new_id_and_ends_the_old(gate: Gate, browser: Browser, person: Person) -> None:
    await browser.sign_in(person)
    first = browser.session_id
    await browser.sign_in(person)
    second = browser.session_id
    assert second != first
    browser.cookies["__Host-sid"] = str(first)
    assert (await browser.get("/api/v1/me")).status_code == 401


async def test_somebody_without_a_student_number_is_told_so(browser: Browser) -> None:
    answer = await browser.sign_in(STAFF)
    assert answer.status_code == 403
    assert "这个账号没有学号" in answer.text
    assert browser.session_id is None


async def test_one_goes_only_to_known_places_after_signing_in(browser: Browser, person: Person) -> None:
    answer = await browser.sign_in(person, place="https://evil.example/")
    assert answer.headers["location"] == "/case"


async def test_the_guide_is_open_to_everybody_with_every_row(browser: Browser) -> None:
    page = await browser.get("/")
    assert page.status_code == 200
    assert all(
        words in page.text for words in ("我要办理", "我要收藏", "23100011", "专题标签", "常见问题", "313963892")
    )
    assert 'href="tel:051683592019"' in page.text


async def test_somebody_not_on_the_roster_is_told_whom_to_ask(browser: Browser, person: Person) -> None:
    await browser.sign_in(person)
    page = await browser.get("/case")
    assert page.status_code == 200
    assert "不在本次离校名单中" in page.text
    assert "tel:051683590322" in page.text
    assert (await browser.get("/api/v1/case")).status_code == 404


async def test_a_student_the_service_is_not_for_is_told_whom_to_ask(
    browser: Browser, clearance: Clearance, person: Person
) -> None:
    await clearance.open(id_of(person), state="not-served", category="结业")
    await browser.sign_in(person)
    page = await browser.get("/case")
    assert "结业的学生不使用本服务" in page.text
    assert "tel:051683590322" in page.text
    refused = await browser.post("/submit", {"csrf": await browser.csrf()})
    assert refused.status_code == 409


async def test_a_submission_while_items_are_open_says_which_why_and_whom_to_ask(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    for answer in (await browser.get("/submit"), await browser.post("/submit", {"csrf": await browser.csrf()})):
        assert answer.status_code == 409
        assert "图书馆-图书借阅" in answer.text
        assert "请点击“注销”注销借书证" in answer.text
        assert "tel:051683592019" in answer.text
    assert await commands(gate, person) == []


async def test_however_often_a_student_submits_it_is_one_submission(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
) -> None:
    await clearance.open(id_of(person))
    await clearance.all_clear(id_of(person))
    await browser.sign_in(person)
    token = await browser.csrf()
    answers = await asyncio.gather(*(browser.post("/submit", {"csrf": token}) for _ in range(8)))
    assert {answer.headers["location"] for answer in answers} == {"/case#submit"}
    made = await commands(gate, person)
    assert len(made) == 1
    events = await posted(gate, person)
    assert [(type(event), event.command_id) for event in events] == [(SubmitAsked, made[0]["command_id"])]
    page = await browser.get("/case")
    assert "等待图书馆确认…" in page.text
    twin = (await browser.post("/api/v1/submission", headers={"X-CSRF-Token": token})).json()
    assert twin["command_id"] == str(made[0]["command_id"])


async def test_an_accepted_submission_is_never_asked_again_and_a_refused_one_may_be(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
) -> None:
    await clearance.open(id_of(person))
    await clearance.all_clear(id_of(person))
    await browser.sign_in(person)
    token = await browser.csrf()
    await browser.post("/submit", {"csrf": token})
    first: UUID = (await commands(gate, person))[0]["command_id"]
    objection = {"finance": (Reason(code="arrears", parameters={"count": 1, "total": "60.00"}),)}
    await hear(
        gate,
        SubmissionRefused(
            attempt_id=first, student_id=id_of(person), cause="objected", objections=objection, refused_at=NOW
        ),
    )
    page = await browser.get("/case")
    assert "财务处收费管理办公室：有 1 项欠费，共 60.00 元" in page.text
    await browser.post("/submit", {"csrf": token})
    second = next(row["command_id"] for row in await commands(gate, person) if row["state"] == "asked")
    assert second != first
    accepted = SubmissionAccepted(attempt_id=second, student_id=id_of(person), form_number="LX-1", accepted_at=NOW)
    await hear(gate, accepted)
    await hear(gate, accepted)
    again = await browser.post("/submit", {"csrf": token})
    assert again.status_code == 303
    assert sorted(row["state"] for row in await commands(gate, person)) == ["done", "refused"]


async def test_an_end_of_somebody_elses_command_ends_nothing(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
) -> None:
    await clearance.open(id_of(person))
    await clearance.all_clear(id_of(person))
    await browser.sign_in(person)
    await browser.post("/submit", {"csrf": await browser.csrf()})
    command = (await commands(gate, person))[0]["command_id"]
    await hear(gate, SubmissionAccepted(attempt_id=command, student_id="TSOTHER01", form_number="X", accepted_at=NOW))
    await hear(gate, SubmissionAccepted(attempt_id=uuid4(), student_id=id_of(person), form_number="X", accepted_at=NOW))
    assert [row["state"] for row in await commands(gate, person)] == ["asked"]


async def test_a_command_asks_confirms_waits_and_says_why_it_was_refused(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    assert 'href="/case/library/cancel-card"' in (await browser.get("/case")).text
    confirm = await browser.get("/case/library/cancel-card")
    assert "注销后不能自行恢复" in confirm.text
    token = await browser.csrf()
    for _ in range(2):
        asked = await browser.post("/case/library/cancel-card", {"csrf": token})
        assert asked.headers["location"] == "/case#library-borrowing"
    [command] = await commands(gate, person)
    [event] = await posted(gate, person)
    assert isinstance(event, CommandAsked)
    assert (event.department, event.command) == ("library", "cancel-card")
    page = (await browser.get("/case")).text
    assert "等待图书馆处理" in page
    assert 'href="/case/library/cancel-card"' not in page
    refusal = Reason(code="books-not-returned", parameters={"count": 1})
    await hear(
        gate,
        CommandAnswered(
            command_id=command["command_id"],
            student_id=id_of(person),
            department="library",
            outcome=CommandOutcome.REFUSED,
            reasons=(refusal,),
            answered_at=NOW,
        ),
    )
    page = (await browser.get("/case")).text
    assert "注销没有成功：还有 1 册图书未还" in page
    assert 'href="/case/library/cancel-card"' in page


async def test_a_command_that_is_not_offered_cannot_be_asked(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
) -> None:
    await clearance.open(id_of(person))
    await clearance.all_clear(id_of(person))
    await browser.sign_in(person)
    token = await browser.csrf()
    assert (await browser.post("/case/library/cancel-card", {"csrf": token})).status_code == 409
    assert (await browser.post("/case/library/burn-books", {"csrf": token})).status_code == 404
    assert (await browser.post("/case/nobody/cancel-card", {"csrf": token})).status_code == 404
    assert await commands(gate, person) == []


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
    gate: Gate, browser: Browser, clearance: Clearance, person: Person, headers: dict[str, str]
) -> None:
    await clearance.open(id_of(person))
    await clearance.all_clear(id_of(person))
    await browser.sign_in(person)
    assert (await browser.post("/submit", {"csrf": await browser.csrf()}, headers)).status_code == 403
    assert await commands(gate, person) == []


async def test_a_write_without_the_sessions_token_does_nothing(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
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
    assert await commands(gate, person) == []
    assert (await browser.get("/api/v1/favourite")).json() == {"kept": False}


async def test_a_completed_case_is_found_viewed_and_carries_what_the_desk_needs(
    browser: Browser, clearance: Clearance, person: Person
) -> None:
    await clearance.open(id_of(person))
    await clearance.all_clear(id_of(person))
    await clearance.accept(id_of(person), f"LX-{id_of(person)}", "7KQ4-M2XD", "LXF1:" + "A1B2C3" * 300)
    await clearance.say(id_of(person), "archives", [samples.check("thesis", {"thesis": "empty"})], version=9)
    await browser.sign_in(person, place="completed")
    assert f"LX-{id_of(person)}" in (await browser.get("/me")).text
    form = (await browser.get("/completed")).text
    for words in (f"LX-{id_of(person)}", "7KQ4-M2XD", "<svg", "已审核", "欧阳𠮷㛃", "凭本单领取毕业证、学位证"):
        assert words in form
    page = (await browser.get("/case")).text
    assert "离校服务只能提交一次，已经提交。" in page
    assert 'href="/submit"' not in page
    twin = (await browser.get("/api/v1/submission")).json()
    assert (twin["state"], twin["form_number"]) == ("done", f"LX-{id_of(person)}")


async def test_a_favourite_is_remembered_and_found_again(browser: Browser, person: Person) -> None:
    await browser.sign_in(person)
    token = await browser.csrf()
    await browser.post("/favourite", {"csrf": token, "kept": "yes", "back": "/"})
    assert "已收藏" in (await browser.get("/")).text
    assert "取消收藏" in (await browser.get("/me")).text
    away = await browser.post("/favourite", {"csrf": token, "kept": "no", "back": "//evil.example"})
    assert away.headers["location"] == "/"
    assert "我要收藏" in (await browser.get("/")).text


async def test_the_language_is_remembered(browser: Browser) -> None:
    switched = await browser.post("/language", {"language": "en", "back": "/"})
    assert switched.headers["location"] == "/"
    assert "Frequently asked questions" in (await browser.get("/")).text
    assert (await browser.post("/language", {"language": "xx"})).status_code == 422


async def test_signing_out_ends_the_session_everywhere(browser: Browser, person: Person) -> None:
    await browser.sign_in(person)
    kept = dict(browser.cookies)
    answer = await browser.post("/sign-out", {"csrf": await browser.csrf()})
    assert answer.headers["location"] == "/signed-out"
    browser.cookies = kept
    assert (await browser.get("/case")).headers["location"] == "/sign-in?next=case"
    assert "已退出" in (await browser.get("/signed-out")).text


async def test_the_twin_says_the_same_in_codes(browser: Browser, clearance: Clearance, person: Person) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    case = (await browser.get("/api/v1/case")).json()
    assert case["student_id"] == id_of(person)
    states = {(check["department"], check["check"]): check for check in case["checks"]}
    borrowing = states["library", "borrowing"]
    assert (borrowing["state"], borrowing["command"], borrowing["version"]) == ("blocked", "cancel-card", 2)
    assert borrowing["reasons"] == [{"code": "card-not-cancelled", "parameters": {}}]
    assert states["dorm", "check-out"]["state"] == "clear"
    assert case["submission"]["state"] == "open-items"
    refused = await browser.post("/api/v1/submission", headers={"X-CSRF-Token": await browser.csrf()})
    assert refused.status_code == 409
    assert refused.json()["open"][0]["check"] == "library-borrowing"


async def test_a_line_turns_while_one_looks(browser: Browser, clearance: Clearance, person: Person) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    async with browser.stream("/case/live") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = Events(response)
        name, data = await events.next()
        assert name == "state"
        assert "4 项已通过，还差 1 项" in data["html"]
        await clearance.all_clear_library(id_of(person), version=3)
        await clearance.notify()
        name, data = await events.next()
        assert name == "state"
        assert "5 项全部通过" in data["html"]
        assert "图书馆-图书借阅 已变为 通过：图书馆更新了记录" in data["html"]


async def test_signing_out_ends_the_open_stream(browser: Browser, clearance: Clearance, person: Person) -> None:
    await clearance.open(id_of(person))
    await browser.sign_in(person)
    async with browser.stream("/case/live") as response:
        events = Events(response)
        assert (await events.next())[0] == "state"
        await browser.post("/sign-out", {"csrf": await browser.csrf()})
        assert (await events.next())[0] == "ended"


async def test_a_stream_of_nobody_ends_at_once(browser: Browser) -> None:
    async with browser.stream("/case/live") as response:
        assert await Events(response).next() == ("ended", {})


async def test_a_session_has_so_many_streams_and_closing_one_makes_room(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
) -> None:
    await clearance.open(id_of(person))
    await browser.sign_in(person)
    async with AsyncExitStack() as opened:
        streams = [
            Events(await opened.enter_async_context(browser.stream("/case/live"))) for _ in range(MOST_A_SESSION)
        ]
        assert [(await events.next())[0] for events in streams] == ["state"] * MOST_A_SESSION
        async with browser.stream("/case/live") as refused:
            assert refused.status_code == 429
            assert refused.headers["content-type"] == "application/problem+json"

    async def room() -> bool:
        async with browser.stream("/case/live") as response:
            return bool(response.status_code == 200)

    await eventually(room, what="a stream to be free again", poll_s=0.3)


@pytest.mark.parametrize("change", ["seen_at = now() - interval '61 min'", "expires_at = now() - interval '1 s'"])
async def test_a_session_ends_by_itself_unused_or_old(
    gate: Gate, browser: Browser, person: Person, change: str
) -> None:
    await browser.sign_in(person)
    assert (await browser.get("/api/v1/me")).status_code == 200
    moved = f"UPDATE session SET started_at = started_at - interval '1 day', {change} WHERE student_id = $1"
    await rows(gate.database, moved, id_of(person))
    assert (await browser.get("/api/v1/me")).status_code == 401
    late = await browser.post("/submit", {"csrf": "x"})
    assert late.status_code == 401
    assert "登录已结束，刚才的操作没有执行。" in late.text
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
    gate: Gate, browser: Browser, address: str, sent_from: str, place: str
) -> None:
    referer = f"{gate.address}{sent_from}" if sent_from.startswith("/") else sent_from
    answer = await browser.post(address, {"csrf": "x", "kept": "yes"}, {"referer": referer})
    assert answer.status_code == 401
    assert "登录已结束，刚才的操作没有执行。" in answer.text
    assert f'href="/sign-in?next={place}"' in answer.text


async def test_an_open_page_of_an_ended_session_is_told_so(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
) -> None:
    await clearance.open(id_of(person))
    await browser.sign_in(person)
    async with browser.stream("/case/live") as response:
        events = Events(response)
        assert (await events.next())[0] == "state"
        await rows(gate.database, "DELETE FROM session WHERE student_id = $1", id_of(person))
        assert (await events.next(60))[0] == "ended"


async def test_an_asked_command_shows_on_the_other_open_page(
    browser: Browser, clearance: Clearance, person: Person
) -> None:
    await card_open(clearance, person)
    await browser.sign_in(person)
    async with browser.stream("/case/live") as response:
        events = Events(response)
        await events.next()
        await browser.post("/case/library/cancel-card", {"csrf": await browser.csrf()})
        assert "等待图书馆处理" in (await events.next())[1]["html"]


async def test_unknown_addresses_are_a_page_for_people_and_a_problem_for_programs(browser: Browser) -> None:
    page = await browser.get("/no-such-page")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "没有这个页面" in page.text
    assert (await browser.get("/docs")).status_code == 404
    paths = (await browser.get("/openapi.json")).json()["paths"]
    assert {"/api/v1/me", "/api/v1/case", "/api/v1/submission"} <= set(paths)
    problem = await browser.get("/api/v1/no-such-thing")
    assert problem.headers["content-type"] == "application/problem+json"


async def test_no_student_number_but_the_sessions_own_reaches_anything(
    browser: Browser, clearance: Clearance, person: Person
) -> None:
    other = new_student()
    await clearance.open(other, name="别的同学")
    await clearance.open(id_of(person))
    await browser.sign_in(person)
    for address in ("/case", "/me", "/completed", "/api/v1/case", "/api/v1/me", "/api/v1/commands"):
        for asked in (f"{address}?student_id={other}", f"{address}/{other}"):
            answer = await browser.get(asked, {"X-User-ID": other, "X-Student-Id": other})
            assert "别的同学" not in answer.text
            assert other not in answer.text


async def test_every_answer_carries_the_headers(
    gate: Gate, browser: Browser, clearance: Clearance, person: Person
) -> None:
    await clearance.open(id_of(person))
    await browser.sign_in(person)
    style = re.search(r'href="(/static/[^"]+\.css)"', (await browser.get("/")).text)
    assert style is not None
    addresses = [
        "/", "/case", "/me", "/completed", "/submit", "/case/library/cancel-card", "/signed-out", "/sign-in",
        "/sign-in/callback", "/no-such", "/api/v1/me", "/api/v1/case", "/api/v1/none", "/health/live",
        "/health/ready", "/openapi.json", "/metrics", style.group(1), "/static/none.css",
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


async def test_no_page_needs_anything_from_elsewhere_or_inline(browser: Browser, person: Person) -> None:
    await browser.sign_in(person)
    for address in ("/", "/case", "/me", "/completed", "/signed-out"):
        text = (await browser.get(address)).text
        assert re.findall(r"<(?:script|link|img|source|iframe)\b[^>]*(?:src|href)=\"(?!/)", text) == []
        assert re.findall(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", text) == []


async def test_a_burst_of_requests_is_slowed_down(browser: Browser, person: Person) -> None:
    await browser.sign_in(person)
    answers = await asyncio.gather(*(browser.get("/api/v1/me") for _ in range(120)))
    slowed = [answer for answer in answers if answer.status_code == 429]
    assert slowed
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in slowed)


async def hear(gate: Gate, event: Any) -> None:
    """Apply an event as the inbox does."""
    connection = await asyncpg.connect(gate.database)
    try:
        async with connection.transaction():
            await ends()[type(event)](connection, event)
    finally:
        await connection.close()
