"""An operator in a browser without scripts: the services, a dead letter to its end, a student from desk to view."""

import html
import json
import re
from uuid import uuid4

import asyncpg

from deploy.local.installation import new_student_id
from schemas.codec import encode
from schemas.events import CaseChanged, CaseState
from services.kit.audit.log import append_entry
from services.kit.messaging.dead_letters.store import DeadLetter, store_dead_letters
from tests.component.gateway.routes.operating.conftest import OPERATES, PAGES, Operated
from tests.support.departments.desks import desk_over, now, open_case
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient
from tests.support.gateway.visits import card_open, id_of
from tests.support.in_process.services import record_of
from tests.support.waiting import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLEAR = [{"check": name, "verdict": "clear"} for name in ("loans", "thesis")]


async def set_aside(library: str, value: bytes, reason: str, key: bytes = b"TS20260001") -> int:
    """Its number."""
    offset = uuid4().int % 1_000_000
    headers = (("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode()),)
    record = record_of("test.clearance.case.v1", key, value, offset=offset, headers=headers)
    connection = await asyncpg.connect(library)
    async with connection.transaction():
        await store_dead_letters(connection, "test.library", [DeadLetter(record, reason)])
    number: int = await connection.fetchval('SELECT id FROM dead_letter WHERE "offset" = $1', offset)
    await connection.close()
    return number


async def test_an_operator_alone_comes_to_the_services_and_sees_who_is_well_warned_and_away(
    browser: BrowserClient, clearance: ReadModelWriter
) -> None:
    answer = await browser.sign_in(OPERATES)
    assert answer.headers["location"] == "/operator"
    await clearance.put_alive_mark("library")
    page = (await browser.get("/operator")).text
    for words in ("有待处理事项", "republication: everything is published again", "没有响应", "视图与各部门一致"):
        assert words in page
    assert 'href="/operator/library/dead-letters"' in page
    assert 'href="/operator/finance/dead-letters"' not in page


async def test_a_dead_letter_is_listed_without_content_shown_replayed_in_vain_and_discarded_with_a_reason(
    browser: BrowserClient, csrf: str, library: str
) -> None:
    number = await set_aside(library, b'{"half', "data: it is no JSON")
    address = f"/operator/library/dead-letters/{number}"
    listed = (await browser.get(f"/operator/library/dead-letters?after={number - 1}")).text
    assert f'href="{address}"' in listed
    assert ("data: it is no JSON" in listed, "TS20260001" in listed) == (True, False)
    shown = html.unescape((await browser.get(address)).text)
    assert ('{"half' in shown, f"https://traces.example/trace/{TRACE}" in shown) == (True, True)
    replayed = await browser.post(f"{address}/replay", {"csrf": csrf})
    assert (replayed.status_code, "仍然读不出来" in replayed.text) == (409, True)
    unexplained = await browser.post(f"{address}/discard", {"csrf": csrf, "why": "  "})
    assert (unexplained.status_code, "请填写原因" in unexplained.text) == (422, True)
    ended = await browser.post(f"{address}/discard", {"csrf": csrf, "why": "测试数据"})
    assert "已放弃" in ended.text
    again = await browser.post(f"{address}/discard", {"csrf": csrf, "why": "再次"})
    assert again.status_code == 409
    assert number not in open_numbers((await browser.get("/operator/library/dead-letters")).text)
    connection = await asyncpg.connect(library)
    rows = await connection.fetch(
        "SELECT actor, outcome, details FROM audit.entry WHERE act = 'dead-letter.end' ORDER BY entry_id"
    )
    looked = await connection.fetchval(
        "SELECT count(*) FROM audit.entry WHERE act = 'dead-letter.show' AND student_id = 'TS20260001'"
    )
    await connection.close()
    of_this = [(row["actor"], row["outcome"]) for row in rows if json.loads(row["details"])["id"] == number]
    assert of_this == [("operator: 程以恒 (operates)", "discarded")]
    assert looked >= 1


async def test_a_dead_letter_that_can_be_read_now_is_replayed(browser: BrowserClient, csrf: str, library: str) -> None:
    student_id = new_student_id()
    case = CaseChanged(student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=now())
    value = encode(case, event_id=uuid4(), source="/lixiao/clearance", time=now())
    number = await set_aside(library, value, "an older release could not read it", student_id.encode())
    done = await browser.post(f"/operator/library/dead-letters/{number}/replay", {"csrf": csrf})
    assert (done.status_code, "已重新应用" in done.text) == (200, True)
    connection = await asyncpg.connect(library)
    assert await connection.fetchval("SELECT case_state FROM record WHERE student_id = $1", student_id) == "open"
    await connection.close()


async def test_a_student_is_followed_from_the_department_to_the_view_and_the_look_is_audited(
    browser: BrowserClient, csrf: str, library: str, clearance: ReadModelWriter
) -> None:
    student_id = new_student_id()
    await clearance.put_case(student_id, name="虚构同学")
    async with desk_over(library, "library") as desk:
        await open_case(desk, student_id)

    async def followed() -> str:
        answer = await browser.post("/operator/student", {"csrf": csrf, "q": f" {student_id.lower()} "})
        return answer.text

    page = await followed()
    for words in ("虚构同学", "部门的消息还没有发出", "部门没有响应，不知道它发布了什么"):
        assert words in page
    connection = await asyncpg.connect(library)
    await connection.execute("DELETE FROM outbox WHERE key = $1", student_id.encode())
    status = json.loads(await connection.fetchval("SELECT status FROM record WHERE student_id = $1", student_id))
    looked = await connection.fetchval(
        "SELECT count(*) FROM audit.entry WHERE act = 'status.query' AND student_id = $1 AND actor LIKE '%程以恒%'",
        student_id,
    )
    await connection.close()
    assert looked == 1
    assert "视图还没有收到" in await followed()
    await clearance.put_status(student_id, "library", CLEAR)
    assert "版本相同而内容不同" in await followed()
    await clearance.put_status(student_id, "library", status["checks"])
    page = await followed()
    assert "视图与部门一致，数据新鲜" in page
    assert ".library.status.v1 / 0 / 1" in page


async def test_what_is_no_number_and_a_service_that_is_none_are_said(browser: BrowserClient, csrf: str) -> None:
    wrong = await browser.post("/operator/student", {"csrf": csrf, "q": "不是学号"})
    assert (wrong.status_code, "这不是学号" in wrong.text) == (422, True)
    assert (await browser.get("/operator/nothing/dead-letters")).status_code == 404
    assert (await browser.get("/operator/library/dead-letters/999999999")).status_code == 404
    assert (await browser.get("/operator/finance/dead-letters")).status_code == 503
    assert (await browser.post("/operator/student", {"csrf": "wrong", "q": "TS20260001"})).status_code == 403


def open_numbers(page: str) -> set[int]:
    return {int(found) for found in re.findall(r'href="/operator/library/dead-letters/(\d+)"', page)}


async def test_what_a_students_page_showed_at_an_instant_is_shown_with_where_it_came_from(
    browser: BrowserClient, csrf: str, installed: Operated, clearance: ReadModelWriter
) -> None:
    student = next(PAGES)
    student_id = id_of(student)
    await card_open(clearance, student)
    connection = await asyncpg.connect(installed.library)
    await append_entry(
        connection,
        actor="方石",
        act="desk.issue-card",
        outcome="changed",
        student_id=student_id,
        details={"version": 2, "trace": TRACE},
    )
    await connection.close()
    at_home = BrowserClient(installed.gateway)
    await at_home.sign_in(student)
    await at_home.get("/case")
    between = now()
    await clearance.all_clear_library(student_id, version=3)
    await at_home.get("/case")
    await at_home.close()

    async def then(at: str) -> str:
        answer = await browser.post("/operator/student/then", {"csrf": csrf, "q": student_id, "at": at})
        return html.unescape(answer.text)

    async def both_are_kept() -> bool:
        answer = await browser.post("/operator/student", {"csrf": csrf, "q": student_id})
        return "未通过 → 通过" in answer.text

    # Who asks more often is answered 429, and so would be the questions after it.
    await eventually(both_are_kept, what="both pages to be kept", timeout_s=30, poll_s=1.0)
    page = await then(between.isoformat())
    for words in ("desk.issue-card", "方石", f"https://traces.example/trace/{TRACE}", "之后变为", "未通过"):
        assert words in page
    assert "还没有打开过页面" in await then("2026-01-01T08:00:00")
    for at in ("gestern", "0001-01-01T00:00+14:00"):
        wrong = await browser.post("/operator/student/then", {"csrf": csrf, "q": student_id, "at": at})
        assert (wrong.status_code, "请填写日期和时间" in wrong.text) == (422, True)
    unknown = await browser.post("/operator/student/then", {"csrf": csrf, "q": "?", "at": between.isoformat()})
    assert unknown.status_code == 422
