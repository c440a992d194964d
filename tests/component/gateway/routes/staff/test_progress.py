"""How far everybody is: the graduate school sees all, a college its own, nobody else anything."""

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.staff.progress import ProgressReader, Scope
from services.kit.names import GRADUATE_SCHOOL, college_role
from services.kit.postgres.migrations import migrate
from tests.component.gateway.routes.staff.working import LIBRARY, STUDENT
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.samples import case_samples
from tests.support.servers.fixtures import DatabaseMaker

OURS, OTHERS = "观测学院", "文理学院"
SCHOOL = Person(sub="school", name="顾长宁", roles=(GRADUATE_SCHOOL,))
COUNSELLOR = Person(sub="counsellor", name="简宁", roles=(college_role(OURS),))


@pytest.fixture(scope="module")
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    people = (SCHOOL, COUNSELLOR, LIBRARY, STUDENT)
    with running_gateway(database, read_model, people) as running:
        yield running


@pytest.fixture(scope="module")
async def leaving(gateway: RunningGateway) -> dict[str, str]:
    """Three of ours, one done and two stuck at the library; one of another college."""
    clearance = ReadModelWriter(gateway.read_model)
    numbers = {name: new_student_id() for name in ("公孙离", "司马懿", "诸葛亮", "上官婉儿")}
    for name, number in numbers.items():
        done = name == "公孙离"
        college = OTHERS if name == "上官婉儿" else OURS
        await clearance.put_case(number, name=name, college=college, state="completed" if done else "open")
        if not done:
            check = case_samples.check("borrowing", {}, Reason(code="books-not-returned", parameters={"count": 1}))
            await clearance.put_status(number, "library", [check])
    return numbers


async def signed_in(browser: BrowserClient, person: Person) -> BrowserClient:
    await browser.sign_in(person, place="progress")
    return browser


def table(page: str, title: str) -> list[list[str]]:
    """The cells of the table of this section."""
    section = page[page.index(f'aria-labelledby="{title}"') :]
    body = section[section.index("<tbody") : section.index("</tbody>")]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)] for row in rows
    ]


@pytest.mark.acceptance("G-002")
async def test_the_graduate_school_sees_every_college_and_what_keeps_whom(
    browser: BrowserClient, leaving: dict[str, str]
) -> None:
    page = (await (await signed_in(browser, SCHOOL)).get("/progress?cohort=2026")).text
    assert {row[0]: row[1:] for row in table(page, "colleges-title")} == {
        OURS: ["3", "1 (33%)", "2"],
        OTHERS: ["1", "0 (0%)", "1"],
    }
    ((check, department, open_students, *_),) = table(page, "checks-title")
    assert (check, department, open_students) == ("图书馆-图书借阅", "图书馆", "3")
    assert not any(number in page for number in leaving.values())
    other = (await browser.get("/progress?cohort=1999")).text
    assert "没有学生" in other


@pytest.mark.acceptance("C-001", "G-006")
async def test_a_college_sees_its_own_students_and_takes_the_list_of_those_done(
    browser: BrowserClient, leaving: dict[str, str], gateway: RunningGateway
) -> None:
    await signed_in(browser, COUNSELLOR)
    page = (await browser.get("/progress")).text
    assert [row[0] for row in table(page, "colleges-title")] == [OURS]
    listed = (await browser.get("/progress/students")).text
    assert {name for name in leaving if name in listed} == {"公孙离", "司马懿", "诸葛亮"}
    stuck = next(row for row in table(listed, "list-title") if row[0] == "司马懿")
    assert stuck[4] == "图书馆"
    for address in (f"/progress/students?college={OTHERS}", f"/progress/students.csv?college={OTHERS}"):
        assert "上官婉儿" not in (await browser.get(address)).text
    file = await browser.get("/progress/students.csv?state=completed")
    rows = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert [row[1] for row in rows[1:]] == ["公孙离"]
    assert (await browser.get("/progress/students.xlsx")).content[:2] == b"PK"
    connection = await asyncpg.connect(gateway.database)
    try:
        acts = {row["act"] for row in await connection.fetch("SELECT act FROM audit.entry WHERE actor = 'counsellor'")}
    finally:
        await connection.close()
    assert {"staff.list", "staff.export-list"} <= acts


async def test_pages_follow_one_another_without_a_number_in_the_address(
    browser: BrowserClient, leaving: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.staff.progress.ProgressReader.students.__defaults__", ("", 2))
    page = (await (await signed_in(browser, SCHOOL)).get("/progress/students")).text
    seen = [row[1] for row in table(page, "list-title")]
    while 'name="after"' in page:
        fields = dict(
            re.findall(r'<input type="hidden" name="(csrf|after|college|cohort|state)" value="([^"]*)">', page)
        )
        page = (await browser.post("/progress/students", fields)).text
        seen += [row[1] for row in table(page, "list-title")]
    assert seen == sorted(leaving.values())
    assert (await browser.post("/progress/students", {"after": "T", "csrf": "wrong"})).status_code == 403


@pytest.mark.parametrize("person", [LIBRARY, STUDENT], ids=["a department's clerk", "a student"])
@pytest.mark.parametrize("address", ["/progress", "/progress/students", "/progress/students.csv"])
async def test_it_is_nobody_elses(browser: BrowserClient, person: Person, address: str) -> None:
    await browser.sign_in(person)
    answer = await browser.get(address)
    assert answer.status_code == 403
    assert "本页仅供研究生院和学院的工作人员使用" in answer.text


async def test_the_wall_screen_has_the_figures_and_nobodys_name_and_loads_itself_again(
    browser: BrowserClient, leaving: dict[str, str]
) -> None:
    answer = await (await signed_in(browser, SCHOOL)).get("/progress/wall?cohort=2026")
    assert answer.headers["refresh"] == "30"
    assert "<script" not in answer.text
    figures = dict(re.findall(r"<dt>([^<]+)</dt><dd>(\d+)</dd>", answer.text))
    assert figures == {"已提交": "1", "其中今日": "0", "未办完": "3", "应办人数": "4", "图书馆-图书借阅": "3"}
    assert "<strong>25%</strong>" in answer.text
    assert not any(part in answer.text for name, number in leaving.items() for part in (name, number))


@pytest.mark.acceptance("G-002")
async def test_the_figures_are_exactly_those_of_the_view_student_by_student(gateway: RunningGateway) -> None:
    clearance, cohort, colleges = ReadModelWriter(gateway.read_model), "2039", ("甲学院", "乙学院", "丙学院")
    codes = (("borrowing", "books-not-returned"), ("borrowing", "debt-open"), ("thesis", "thesis-missing"))
    for number in range(30):
        student_id, state = new_student_id(), "completed" if number % 4 == 0 else "open"
        await clearance.put_case(student_id, college=colleges[number % 3], cohort=cohort, state=state)
        chosen = [one for bit, one in enumerate(codes) if number >> bit & 1]
        checks = [
            case_samples.check(check, {}, *(Reason(code=code) for name, code in chosen if name == check))
            for check in dict.fromkeys(name for name, _ in chosen)
        ]
        if checks:
            await clearance.put_status(student_id, "library", checks)
    connection = await asyncpg.connect(gateway.read_model)
    try:
        cases = await connection.fetch("SELECT * FROM student_case WHERE cohort = $1", cohort)
        statuses = await connection.fetch("SELECT * FROM status WHERE open_codes IS NOT NULL")
        found = await ProgressReader(connection).overview(Scope(None), cohort, datetime.now(UTC))  # type: ignore[arg-type]
    finally:
        await connection.close()
    state_of = {row["student_id"]: row["state"] for row in cases}
    for college in found.colleges:
        of_college = [row["state"] for row in cases if row["college"] == college.college]
        assert (college.students, college.submitted) == (len(of_college), of_college.count("completed"))
    assert found.total.students == 30
    waiting: dict[tuple[str, str], list[datetime]] = {}
    for row in statuses:
        if state_of.get(row["student_id"]) == "open":
            for check in {code.partition(":")[0] for code in row["open_codes"].split()}:
                waiting.setdefault((row["department"], check), []).append(row["open_since"])
    assert {(one.department, one.check): one.students for one in found.checks} == {
        key: len(since) for key, since in waiting.items()
    }
    for one in found.checks:
        since = sorted(waiting[one.department, one.check])
        assert (one.oldest, one.median) == (since[0], since[(len(since) - 1) // 2])
    assert [one.students for one in found.checks] == sorted((one.students for one in found.checks), reverse=True)


async def test_a_department_that_the_gateway_does_not_know_is_left_out_of_the_list(
    browser: BrowserClient, gateway: RunningGateway
) -> None:
    """As one that ended here, or that this gateway's release has not yet."""
    clearance, number, cohort = ReadModelWriter(gateway.read_model), new_student_id(), "2041"
    await clearance.put_case(number, college=OURS, cohort=cohort)
    for department, check in (("library", "borrowing"), ("museum", "loans")):
        await clearance.put_status(number, department, [case_samples.check(check, {}, Reason(code="not-returned"))])
    listed = await (await signed_in(browser, SCHOOL)).get(f"/progress/students?cohort={cohort}")
    assert listed.status_code == 200, listed.text
    assert [row[4] for row in table(listed.text, "list-title")] == ["图书馆"]


async def test_students_without_a_college_are_counted_under_no_link_to_everybody(
    browser: BrowserClient, gateway: RunningGateway
) -> None:
    cohort = "2042"
    await ReadModelWriter(gateway.read_model).put_case(new_student_id(), college="", cohort=cohort)
    page = (await (await signed_in(browser, SCHOOL)).get(f"/progress?cohort={cohort}")).text
    assert table(page, "colleges-title") == [["—", "1", "0 (0%)", "1"]]
    assert ">—</a>" not in page
