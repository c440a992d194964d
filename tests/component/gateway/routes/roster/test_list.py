"""The roster as a list: filtered, in pages, searched, and taken as a file."""

import csv
import io
import re

import asyncpg
import pytest

from deploy.local.installation import new_student_id
from services.gateway.staff.desk.desk_client import DeskClient, DeskUnavailable
from services.gateway.staff.roster.listing import RosterFilters, RosterReader
from tests.component.gateway.routes.roster.school import SCHOOL, School
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import RunningGateway
from tests.support.gateway.visits import rows

COLLEGE = "名单学院"


def listed(page: str) -> list[str]:
    return re.findall(r'class="number" data-label="学号">([^<]+)<', page)


@pytest.fixture
async def three(clearance: ReadModelWriter) -> dict[str, str]:
    """By state."""
    numbers = {state: new_student_id() for state in ("open", "closed", "completed")}
    for state, number in numbers.items():
        await clearance.put_case(number, name="宇文护", college=f"{COLLEGE}{number}", state=state, cohort="2026")
    return numbers


async def test_the_roster_is_filtered_by_college_cohort_and_state_with_a_count_of_each(
    school: School, clearance: ReadModelWriter
) -> None:
    college = f"{COLLEGE}{new_student_id()}"
    numbers = {}
    for state, cohort in (("open", "2025"), ("open", "2026"), ("closed", "2026"), ("completed", "2026")):
        numbers[state, cohort] = new_student_id()
        await clearance.put_case(numbers[state, cohort], name="宇文护", college=college, state=state, cohort=cohort)
    page = (await school.list(college=college)).text
    assert sorted(listed(page)) == sorted(numbers.values())
    for words in ("办理中 (2)", "已提交 (1)", "已移出 (1)", "不使用本服务 (0)"):
        assert words in page
    assert listed((await school.list(college=college, state="closed")).text) == [numbers["closed", "2026"]]
    assert listed((await school.list(college=college, cohort="2025")).text) == [numbers["open", "2025"]]
    assert (await school.list(state="elsewhere")).status_code == 422


async def test_pages_have_everybody_once_and_no_number_is_in_an_address(
    school: School, clearance: ReadModelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.staff.roster.listing.RosterReader.page.__defaults__", ("", 2))
    college = f"{COLLEGE}{new_student_id()}"
    numbers = [new_student_id() for _ in range(5)]
    for number in numbers:
        await clearance.put_case(number, name="宇文泰", college=college)
    page = (await school.list(college=college)).text
    seen = listed(page)
    while 'name="after"' in page:
        fields = dict(re.findall(r'name="(after|college|cohort|state)" value="([^"]*)">', page))
        page = (await school.browser.post("/roster", {"csrf": school.csrf, **fields})).text
        seen += listed(page)
    assert seen == sorted(numbers)
    links = re.findall(r'(?:href|action)="([^"]+)"', page)
    assert not any(number in link for number in numbers for link in links)


async def test_a_student_is_found_by_number_and_by_name_also_one_taken_off(
    school: School, three: dict[str, str]
) -> None:
    for number in three.values():
        assert f'<span class="num">{number}</span>' in (await school.search(f" {number.lower()} ")).text
    hits = (await school.search("宇文护")).text
    assert all(number in hits for number in three.values())
    nobody = await school.search("没有这个人")
    assert nobody.status_code == 404
    assert "没有找到“没有这个人”" in nobody.text


@pytest.mark.acceptance("G-006")
async def test_the_list_is_a_file_and_the_audit_says_who_looked_and_who_took_it(
    school: School, three: dict[str, str], gateway: RunningGateway
) -> None:
    number = three["closed"]
    answer = await school.browser.get(f"/roster/list.csv?college={COLLEGE}{number}")
    (heading, row) = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert heading == ["学号", "姓名", "学院", "专业", "届别", "离校类别", "状态"]
    assert (row[1], row[4], row[6]) == ("宇文护", "2026", "已移出")
    assert (await school.browser.get("/roster/list.xlsx?state=closed")).content[:2] == b"PK"
    await school.search(number)
    acts = await rows(gateway.database, "SELECT act, student_id, details FROM audit.entry WHERE actor = $1", SCHOOL.sub)
    assert {"staff.list", "staff.export-list", "staff.look-up"} <= {row["act"] for row in acts}
    assert number in {row["student_id"] for row in acts}
    assert all('"roster"' in row["details"] for row in acts if row["act"].startswith("staff."))


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_a_list_that_cannot_be_read_is_no_file_without_rows(
    school: School, three: dict[str, str], gateway: RunningGateway, kind: str
) -> None:
    await rows(gateway.read_model, "ALTER SCHEMA published RENAME TO away")
    try:
        answer = await school.browser.get(f"/roster/list.{kind}")
    finally:
        await rows(gateway.read_model, "ALTER SCHEMA away RENAME TO published")
    assert answer.status_code >= 500
    assert "content-disposition" not in answer.headers


async def test_the_roster_of_a_hundred_thousand_students_is_read_by_its_indexes(gateway: RunningGateway) -> None:
    connection = await asyncpg.connect(gateway.read_model)
    try:
        sent: list[tuple[str, tuple[object, ...]]] = []

        class Pool:
            async def fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
                sent.append((statement, values))
                return []

        reader = RosterReader(Pool())  # type: ignore[arg-type]
        await reader.page(RosterFilters(), "TS20260001")
        await reader.page(RosterFilters(college=COLLEGE), "TS20260001")
        await reader.named("宇文")
        await connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        for (statement, values), index in zip(
            sent, ("student_case_pkey", "student_case_college", "student_case_name"), strict=True
        ):
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *values))
            assert index in plan, plan
    finally:
        await connection.close()


async def test_the_roster_is_listed_and_its_students_are_not_opened_while_the_clearance_is_away(
    school: School, three: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: object) -> str:
        raise DeskUnavailable("roster")

    monkeypatch.setattr(DeskClient, "_token", unavailable)
    assert (await school.list()).status_code == 200
    answer = await school.search(three["open"])
    assert answer.status_code == 503
    assert "名单系统没有响应" in answer.text
