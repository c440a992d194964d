"""A student says that a check is wrong, and the department answers: what each sees, and what is refused."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deploy.local.identity.people import Person
from schemas.events import Reason
from services.gateway.retention import TABLES
from services.kit.postgres.pool import open_pool
from services.kit.retention.erasing import erase
from tests.component.gateway.routes.staff.working import FINANCE, STUDENTS, AtWork
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, Events, RunningGateway
from tests.support.gateway.visits import rows
from tests.support.retention import SETTINGS, purge_in
from tests.support.samples import case_samples

ADDRESS = "/case/library/borrowing/comment"
TEXT = "书已于 6 月 2 日归还，\n有回执。"
_free = iter(STUDENTS)


@dataclass
class AtHome:
    """A student with a book that the library says is out."""

    browser: BrowserClient
    number: str
    csrf: str

    async def write(self, text: str, address: str = ADDRESS) -> httpx.Response:
        return await self.browser.post(address, {"csrf": self.csrf, "text": text})

    async def in_json(self) -> tuple[dict[str, Any], bool]:
        """The comment at the check, and whether another may be written."""
        checks = (await self.browser.get("/api/v1/case")).json()["checks"]
        (check,) = (one for one in checks if (one["department"], one["check"]) == ("library", "borrowing"))
        return check["comment"], check["may_comment"]

    async def line(self) -> str:
        page = (await self.browser.get("/case")).text
        return page.partition('<article id="library-borrowing"')[2].partition("</article>")[0]


@pytest.fixture
async def student(gateway: RunningGateway, clearance: ReadModelWriter) -> AsyncIterator[AtHome]:
    person: Person = next(_free)
    number = person.student_id or ""
    await clearance.put_case(number, name=person.name)
    await clearance.all_clear(number)
    await clearance.put_status(number, "library", owing(), version=2)
    browser = BrowserClient(gateway)
    await browser.sign_in(person)
    yield AtHome(browser, number, await browser.csrf())
    await browser.close()


def owing(*, clear: bool = False) -> list[dict[str, Any]]:
    facts = {"unreturned_count": 0 if clear else 1, "debt": "0.00", "violation_count": 0, "card": "cancelled"}
    reasons = [] if clear else [Reason(code="books-not-returned", parameters={"count": 1})]
    return [
        case_samples.check("borrowing", facts, *reasons),
        case_samples.check("thesis", {"thesis": "approved"}),
    ]


async def test_what_was_written_when_the_session_ended_is_not_lost_and_not_kept(
    student: AtHome, gateway: RunningGateway
) -> None:
    await rows(gateway.database, "DELETE FROM session WHERE student_id = $1", student.number)
    answer = await student.write(f"{TEXT}<b>")
    assert answer.status_code == 401
    assert "书已于 6 月 2 日归还，" in answer.text
    assert "&lt;b&gt;</textarea>" in answer.text
    kept = await rows(gateway.database, "SELECT count(*) AS n FROM line_comment WHERE student_id = $1", student.number)
    assert kept[0]["n"] == 0


async def test_what_a_student_says_shows_at_the_check_and_at_the_desk_and_the_answer_comes_back_at_once(
    student: AtHome, library: AtWork, gateway: RunningGateway
) -> None:
    assert f'href="{ADDRESS}"' in await student.line()
    assert "图书馆的工作人员会看到您的姓名" in (await student.browser.get(ADDRESS)).text
    answer = await student.write(TEXT)
    assert (answer.status_code, answer.headers["location"]) == (303, "/case#library-borrowing")
    line = await student.line()
    assert TEXT in line
    assert "等待图书馆答复" in line
    assert f'href="{ADDRESS}"' not in line
    said, may_say_more = await student.in_json()
    assert (said["text"], said["answer"], said["answered_at"], may_say_more) == (TEXT, None, None, False)

    listed = await library.list(comment="open")
    assert student.number in listed.text
    assert "异议待答复" in listed.text
    shown = await library.search(student.number)
    assert TEXT in shown.text
    async with student.browser.stream("/case/live") as response:
        events = Events(response)
        await events.next()
        answer = await library.answer("已核实，\r\n请今天再看。")
        assert "已答复，学生可在页面上看到" in answer.text
        assert "方石 (clerk-library) 于" in answer.text
        _, data = await events.next()
    line = await student.line()
    said, may_say_more = await student.in_json()
    assert (said["answer"], said["answered_at"] is not None, may_say_more) == ("已核实，\n请今天再看。", True, True)
    for html in (data["html"], line):
        assert "已核实，\n请今天再看。" in html
        assert "clerk-library" not in html
    assert "仍有异议？再次提出" in line
    assert student.number not in (await library.list(comment="open")).text
    audited = await rows(
        gateway.database,
        "SELECT actor, act, outcome, details FROM audit.entry WHERE student_id = $1 AND act LIKE 'comment.%'"
        " ORDER BY entry_id",
        student.number,
    )
    assert [(one["actor"], one["act"], one["outcome"]) for one in audited] == [
        ("student", "comment.write", "written"),
        ("clerk-library", "comment.answer", "answered"),
    ]
    assert "归还" not in str([one["details"] for one in audited])


async def test_one_is_open_for_a_check_however_often_it_is_sent_and_five_are_written_in_a_day(
    student: AtHome, library: AtWork, gateway: RunningGateway
) -> None:
    for _ in range(3):
        assert (await student.write(TEXT)).status_code == 303
    count = "SELECT count(*) FROM line_comment WHERE student_id = $1"
    assert (await rows(gateway.database, count, student.number))[0][0] == 1
    for number in range(4):
        await library.search(student.number)
        await library.answer(f"第 {number} 次答复")
        assert (await student.write(f"还是不对（{number}）")).status_code == 303
    await library.search(student.number)
    await library.answer("最后一次答复")
    answer = await student.write("还是不对（4）")
    assert answer.status_code == 429
    assert "请明天再试" in answer.text
    assert "还是不对（4）</textarea>" in answer.text
    assert (await rows(gateway.database, count, student.number))[0][0] == 5


async def test_what_cannot_be_read_or_is_no_open_check_is_not_written(
    student: AtHome, clearance: ReadModelWriter
) -> None:
    for text in (" ", "看\u202e不见", "长" * 501):
        answer = await student.write(text)
        assert (answer.status_code, "没有提交" in answer.text) == (422, True)
    assert (await student.browser.post(ADDRESS, {"csrf": "another", "text": TEXT})).status_code == 403
    assert (await student.write(TEXT, "/case/library/nothing/comment")).status_code == 404
    answer = await student.write(TEXT, "/case/library/thesis/comment")
    assert answer.status_code == 303
    assert TEXT not in (await student.browser.get("/case")).text
    assert (await student.browser.get("/case/library/thesis/comment")).status_code == 303


async def test_a_check_that_has_passed_meanwhile_no_longer_waits_for_an_answer(
    student: AtHome, library: AtWork, clearance: ReadModelWriter
) -> None:
    await student.write(TEXT)
    await clearance.put_status(student.number, "library", owing(clear=True), version=3)
    assert TEXT not in await student.line()
    assert student.number not in (await library.list(comment="open")).text
    assert TEXT in (await library.search(student.number)).text


async def test_an_answer_is_given_once_by_the_department_of_the_check_alone(
    student: AtHome, library: AtWork, gateway: RunningGateway
) -> None:
    await student.write(TEXT)
    await library.search(student.number)
    before = library.page
    found = re.search(r'name="comment" value="([^"]+)"', before)
    assert found is not None
    other = BrowserClient(gateway)
    finance = await AtWork.signed_in(other, FINANCE, "finance")
    await finance.search(student.number)
    assert TEXT not in finance.page
    sent = {"csrf": finance.csrf, "student": student.number, "comment": found[1], "text": "别的部门"}
    assert (await other.post("/staff/finance/comment", sent)).status_code == 409
    await other.close()
    assert (await library.answer(" ")).status_code == 422
    # A tab, as from a spreadsheet, is refused; what was typed is not lost by it.
    refused = await library.answer("卷一\t已还")
    assert (refused.status_code, "卷一\t已还</textarea>" in refused.text) == (422, True)
    assert (await library.answer("第一个答复")).status_code == 200
    library.page = before
    answer = await library.answer("第二个答复")
    assert answer.status_code == 409
    assert "这条异议已有答复" in answer.text
    assert "第二个答复" not in await student.line()


async def test_comments_are_forgotten_with_the_student_and_purged_after_their_time(
    student: AtHome, gateway: RunningGateway
) -> None:
    pool = await open_pool(gateway.database, name="test")
    count = "SELECT count(*) FROM line_comment WHERE student_id = $1"
    await student.write(TEXT)
    async with pool.acquire() as connection, connection.transaction():
        await erase(connection, [one for one in TABLES if one.name == "line_comment"], [student.number])
    assert await pool.fetchval(count, student.number) == 0
    await student.write(TEXT)
    tables = [one for one in TABLES if one.name == "line_comment"]
    await purge_in(pool, tables, days=SETTINGS.keep_notes_days - 1)
    assert await pool.fetchval(count, student.number) == 1
    await purge_in(pool, tables, days=SETTINGS.keep_notes_days + 1)
    assert await pool.fetchval(count, student.number) == 0
    await pool.close()
