"""Reminders from a department's work list and from a college's progress: looked at, sent once, followed."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.routes.staff import reminder_pages, reminding
from services.kit.names import GRADUATE_SCHOOL, college_role
from services.kit.postgres.migrations import migrate
from tests.component.gateway.routes.staff.working import LIBRARY
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.reminders import csrf_of, fields_of, form_of
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.notices.served import asked_reminders, deliver, send_all, served_notices
from tests.support.samples import case_samples
from tests.support.servers.fixtures import DatabaseMaker

SCHOOL = Person(sub="school", name="顾长宁", roles=(GRADUATE_SCHOOL,))
BOOKS = Reason(code="books-not-returned", parameters={"count": 1})


def counsellor(college: str) -> Person:
    return Person(sub=f"of {college}", name="简宁", roles=(college_role(college),))


COUNSELLORS = {name: counsellor(name) for name in ("观测学院", "文理学院")}


@pytest.fixture(scope="module")
async def notices(make_database: DatabaseMaker) -> str:
    return await make_database("notices")


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker, notices: str) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    people = (LIBRARY, SCHOOL, *COUNSELLORS.values())
    with (
        served_notices(notices) as address,
        running_gateway(database, read_model, people, notices=address) as running,
    ):
        yield running


class Case:
    """A college of its own with students whom the library keeps, and their addresses."""

    def __init__(self, gateway: RunningGateway, notices: str, college: str) -> None:
        self._clearance, self._notices = ReadModelWriter(gateway.read_model), notices
        self.college = college

    async def student(self, *reasons: Reason, mail: bool = True, waits: bool = False) -> str:
        number = new_student_id()
        await self._clearance.put_case(number, name="端木清扬", college=self.college)
        codes = [Reason(code="thesis-submitted")] if waits else list(reasons or (BOOKS,))
        check = case_samples.check("thesis" if waits else "borrowing", {}, *codes)
        await self._clearance.put_all_clear(number, ("library", check))
        if mail:
            await execute(
                self._notices, "INSERT INTO contact (student_id, mail) VALUES ($1, $2)", number, f"{number}@example.edu"
            )
        return number


async def execute(database: str, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


async def audited(
    gateway: RunningGateway, act: str, reminder_id: str
) -> list[tuple[str, str | None, dict[str, object]]]:
    connection = await asyncpg.connect(gateway.database)
    try:
        rows = await connection.fetch("SELECT actor, student_id, details FROM audit.entry WHERE act = $1", act)
    finally:
        await connection.close()
    entries = [(row["actor"], row["student_id"], json.loads(row["details"])) for row in rows]
    return [entry for entry in entries if entry[2]["reminder"] == reminder_id]


def figures(page: str) -> dict[str, int]:
    return {words: int(count) for words, count in re.findall(r"<dt>([^<]+)</dt><dd>(\d+)</dd>", page)}


async def press(browser: BrowserClient, address: str, fields: list[tuple[str, str]]) -> httpx.Response:
    return await browser.post(address, fields_of(fields))


@pytest.mark.acceptance("N-002")
async def test_a_clerk_looks_at_a_reminder_sends_it_once_and_follows_it(
    gateway: RunningGateway, notices: str, browser: BrowserClient
) -> None:
    case = Case(gateway, notices, "星图学院")
    first, second = await case.student(), await case.student()
    unreachable, waiting = await case.student(mail=False), await case.student(waits=True)
    await browser.sign_in(LIBRARY, place="staff")
    csrf = await csrf_of(browser, "/staff/library?college=星图学院")
    page = (await browser.post("/staff/library/remind", {"csrf": csrf, "college": "星图学院"})).text
    assert figures(page) == {"将收到提醒": 2, "不发：等待部门，无需学生办理": 1, "不发：没有联系方式": 1}
    assert "【离校服务】提醒：您有事项尚未办理" in page
    assert "尚未办理：图书馆-图书借阅" in page
    assert "Reminder: something still needs you" in page
    assert not any(number in page for number in (first, second, unreachable, waiting))

    address, fields = form_of(page)
    answers = await asyncio.gather(*(press(browser, address, fields) for _ in range(3)))
    places = {answer.headers["location"] for answer in answers}
    assert [answer.status_code for answer in answers] == [303] * 3
    (place,) = places
    reminder_id = place.rpartition("/")[2]
    asked = [one for one in await asked_reminders(gateway.database) if str(one.reminder_id) == reminder_id]
    assert {one.student_id: one.checks for one in asked} == {
        number: {"library": ("borrowing",)} for number in (first, second, unreachable)
    }
    assert len(asked) == 3
    ((actor, nobody, details),) = await audited(gateway, "reminder.send", reminder_id)
    assert (actor, nobody, details["students"], details["college"]) == (LIBRARY.sub, None, 3, "星图学院")
    assert {one[1] for one in await audited(gateway, "reminder.ask", reminder_id)} == {first, second, unreachable}

    page = (await browser.get(place)).text
    assert figures(page) == {"待发送": 3}
    assert "data-again-s" in page
    for _ in range(2):
        await deliver(gateway.database, notices)
    await send_all(notices)
    page = (await browser.get(place)).text
    assert figures(page) == {"已发送": 2, "未发：没有联系方式": 1}
    assert "data-again-s" not in page
    assert unreachable not in page
    missed = (await browser.get(f"{place}?missed=true")).text
    assert unreachable in missed
    assert first not in missed


@pytest.mark.acceptance("N-002")
async def test_a_student_reminded_lately_is_counted_and_a_list_that_grew_is_looked_at_again(
    gateway: RunningGateway, notices: str, browser: BrowserClient
) -> None:
    case = Case(gateway, notices, "远山学院")
    await case.student()
    await browser.sign_in(LIBRARY, place="staff")
    csrf = await csrf_of(browser, "/staff/library?college=远山学院")
    body = {"csrf": csrf, "college": "远山学院"}
    address, fields = form_of((await browser.post("/staff/library/remind", body)).text)
    assert (await press(browser, address, fields)).status_code == 303
    await deliver(gateway.database, notices)
    page = (await browser.post("/staff/library/remind", body)).text
    assert figures(page) == {"将收到提醒": 0, "不发：3 天内已提醒过": 1}
    assert "没有可以提醒的学生" in page

    await case.student()
    address, fields = form_of((await browser.post("/staff/library/remind", body)).text)
    await case.student()
    again = await press(browser, address, fields)
    assert again.status_code == 200
    assert "名单有变化，尚未发送" in again.text
    assert figures(again.text)["将收到提醒"] == 2
    address, fields = form_of(again.text)
    assert (await press(browser, address, fields)).status_code == 303


@pytest.mark.acceptance("N-002", "C-001")
async def test_a_college_reminds_its_own_students_alone_whomever_it_names(
    gateway: RunningGateway, notices: str, browser: BrowserClient
) -> None:
    ours, theirs = Case(gateway, notices, "观测学院"), Case(gateway, notices, "文理学院")
    mine, other = await ours.student(), await theirs.student()
    await browser.sign_in(COUNSELLORS["观测学院"], place="progress")
    csrf = await csrf_of(browser, "/progress/students")
    page = (await browser.post("/progress/remind", {"csrf": csrf, "whom": "picked", "pick": [mine, other]})).text
    assert figures(page) == {"将收到提醒": 1}
    address, fields = form_of(page)
    sent = await press(browser, address, [*fields, ("pick", other)])
    place = sent.headers["location"]
    asked = [one for one in await asked_reminders(gateway.database) if place.endswith(str(one.reminder_id))]
    assert [one.student_id for one in asked] == [mine]
    for college, count in (("文理学院", 0), ("", 1)):
        answer = await browser.post("/progress/remind", {"csrf": csrf, "college": college})
        assert other not in answer.text
        assert figures(answer.text).get("将收到提醒", 0) == count

    another = BrowserClient(gateway)
    await another.sign_in(COUNSELLORS["文理学院"], place="progress")
    assert (await another.get(place)).status_code == 404
    await another.sign_in(SCHOOL, place="progress")
    assert (await another.get(place)).status_code == 200
    await another.sign_in(LIBRARY, place="staff")
    assert (await another.get(place)).status_code == 403
    assert (await another.get(place.replace("/progress", "/staff/library"))).status_code == 404
    await another.close()


async def test_nobody_picked_and_too_many_listed_are_said_and_nothing_is_sent(
    gateway: RunningGateway, notices: str, browser: BrowserClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(gateway, notices, "青石学院")
    for _ in range(2):
        await case.student()
    await browser.sign_in(LIBRARY, place="staff")
    csrf = await csrf_of(browser, "/staff/library?college=青石学院")
    nobody = await browser.post("/staff/library/remind", {"csrf": csrf, "whom": "picked"})
    assert (nobody.status_code, "请先在名单中选择学生" in nobody.text) == (422, True)
    empty = await browser.post("/staff/library/remind", {"csrf": csrf, "college": "没有的学院"})
    assert (empty.status_code, "名单中没有学生" in empty.text) == (422, True)
    for module in (reminding, reminder_pages):
        monkeypatch.setattr(module, "MAX_STUDENTS", 1)
    many = await browser.post("/staff/library/remind", {"csrf": csrf, "college": "青石学院"})
    assert (many.status_code, "一次最多提醒 1 名学生" in many.text) == (422, True)


async def test_without_a_notice_service_the_pages_say_so_and_offer_nothing(
    make_database: DatabaseMaker,
) -> None:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_gateway(database, read_model, (LIBRARY, SCHOOL)) as bare:
        for person, place, address in (
            (LIBRARY, "staff", "/staff/library"),
            (SCHOOL, "progress", "/progress/students"),
        ):
            browser = BrowserClient(bare)
            await browser.sign_in(person, place=place)
            page = (await browser.get(address)).text
            assert "尚未配置通知服务" in page
            assert "remind" not in page
            csrf = re.search(r'name="csrf" value="([^"]+)"', page)
            assert csrf is not None
            answer = await browser.post(f"{address.removesuffix('/students')}/remind", {"csrf": csrf[1]})
            assert (answer.status_code, "尚未配置通知服务" in answer.text) == (404, True)
            await browser.close()


async def test_while_the_notice_service_does_not_answer_nothing_is_sent(
    gateway: RunningGateway, notices: str, make_database: DatabaseMaker, browser: BrowserClient
) -> None:
    database = await make_database("gateway")
    with served_notices(await make_database("notices")) as gone:
        pass
    await Case(gateway, notices, "闭馆学院").student()
    with running_gateway(database, gateway.read_model, (LIBRARY,), notices=gone) as cut_off:
        there = BrowserClient(cut_off)
        await there.sign_in(LIBRARY, place="staff")
        csrf = await csrf_of(there, "/staff/library?college=闭馆学院")
        answer = await there.post("/staff/library/remind", {"csrf": csrf, "college": "闭馆学院"})
        assert (answer.status_code, "通知服务暂时无法连接，没有发送" in answer.text) == (503, True)
        await there.close()
    assert await asked_reminders(database) == []


async def test_what_is_picked_and_is_no_student_number_is_nobody_and_no_outage(browser: BrowserClient) -> None:
    for person, address in ((LIBRARY, "/staff/library"), (SCHOOL, "/progress")):
        await browser.sign_in(person, place="staff")
        csrf = await csrf_of(browser, address)
        for odd in ("a\x00b", "???", "欧阳"):
            answer = await browser.post(f"{address}/remind", {"csrf": csrf, "whom": "picked", "pick": odd})
            assert (answer.status_code, "请先在名单中选择学生" in answer.text) == (422, True)
