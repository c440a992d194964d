"""A department's work list: who is open there, filtered, in order, page after page."""

import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from deploy.local.installation import new_student_id
from schemas.events import Reason
from services.gateway.staff.lists import work_list
from services.gateway.staff.lists.work_list import PAGE, After, Filters, WorkListReader
from tests.component.gateway.routes.staff.working import AtWork
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import RunningGateway
from tests.support.samples import case_samples


async def put_open(clearance: ReadModelWriter, name: str, *codes: str, **case: str) -> str:
    number = new_student_id()
    await clearance.put_case(number, name=name, **case)
    reasons = [Reason(code=code) for code in codes]
    await clearance.put_status(number, "library", [case_samples.check("borrowing", {}, *reasons)])
    return number


def listed(page: str) -> list[str]:
    return re.findall(r'class="number" data-label="学号">([^<]+)<', page)


async def test_only_who_is_open_here_is_listed_with_why(library: AtWork, clearance: ReadModelWriter) -> None:
    college = "矿业工程学院"
    indebted = await put_open(clearance, "冉一", "debt-open", "books-not-returned", college=college)
    unknown = await put_open(clearance, "冉二", "no-data", college=college)
    clear = new_student_id()
    await clearance.put_case(clear, name="冉三", college=college)
    await clearance.all_clear(clear)
    gone = await put_open(clearance, "冉四", "debt-open", college=college, state="completed")
    page = (await library.list(college=college)).text
    assert listed(page) == [indebted, unknown]
    assert gone not in page
    for words in ("有欠款", "有书未还", "尚无数据", "冉一", "冉二"):
        assert f">{words}<" in page


async def test_the_list_is_filtered_by_college_cohort_and_reason(library: AtWork, clearance: ReadModelWriter) -> None:
    first = await put_open(clearance, "冉五", "debt-open", college="测绘学院", cohort="2025")
    second = await put_open(clearance, "冉六", "violation-open", college="测绘学院", cohort="2026")
    assert listed((await library.list(college="测绘学院")).text) == [first, second]
    assert listed((await library.list(college="测绘学院", cohort="2026")).text) == [second]
    assert listed((await library.list(college="测绘学院", reason="borrowing:debt-open")).text) == [first]
    page = (await library.list(college="测绘学院", cohort="1999")).text
    assert "没有符合条件的待办学生" in page


@pytest.mark.parametrize("at_first", [0, 3, 2_000])
async def test_a_college_is_found_whether_the_first_of_the_list_fill_its_page_or_not(
    clearance: ReadModelWriter, gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, at_first: int
) -> None:
    monkeypatch.setattr(work_list, "_AT_FIRST", at_first)
    college, others = f"先后学院{at_first}", f"其他学院{at_first}"
    expected = [await put_open(clearance, "冉七", "debt-open", college=college) for _ in range(2)]
    await put_open(clearance, "冉八", "debt-open", college=others)
    expected.append(await put_open(clearance, "冉九", "debt-open", college=college))
    await put_open(clearance, "冉九", "violation-open", college=college)
    pool = await asyncpg.create_pool(gateway.read_model, min_size=1, max_size=1)
    try:
        filters = Filters(college=college, reason="borrowing:debt-open")
        reader = WorkListReader(pool)
        first, more = await reader.page("library", filters, limit=2)
        assert more
        last = first[-1]
        rest, more = await reader.page("library", filters, After(last.student_id, last.since), limit=2)
        assert not more
        assert [row.student_id for row in first + rest] == expected
        assert await reader.count("library", filters) == len(expected)
    finally:
        await pool.close()


@pytest.mark.parametrize("sort", ["since", "number"])
async def test_pages_have_everybody_once_in_order(library: AtWork, clearance: ReadModelWriter, sort: str) -> None:
    college = f"分页学院{sort}"
    numbers = [await put_open(clearance, "冉", "debt-open", college=college) for _ in range(PAGE + 5)]
    page = (await library.list(college=college, sort=sort)).text
    first = listed(page)
    assert len(first) == PAGE
    after = dict(re.findall(r'name="(after|since)" value="([^"]+)"', page))
    filters = {"college": college, "sort": sort}
    answer = await library.browser.post(library.address, {"csrf": library.csrf, **filters, **after})
    assert answer.status_code == 200
    assert first + listed(answer.text) == (sorted(numbers) if sort == "number" else numbers)
    assert "下一页" not in answer.text


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon"])
async def test_a_page_after_an_instant_beyond_the_calendar_is_refused(library: AtWork, since: str) -> None:
    after = {"csrf": library.csrf, "after": new_student_id(), "since": since}
    assert (await library.browser.post(library.address, after)).status_code == 422


async def test_the_list_of_a_hundred_thousand_students_is_read_by_its_indexes(gateway: RunningGateway) -> None:
    connection = await asyncpg.connect(gateway.read_model)
    try:
        for filters in (Filters(), Filters(sort="number"), Filters(college="分页学院", sort="number")):
            plan = await _plan(connection, filters)
            assert "open_status_" in plan, plan
            assert "Seq Scan on open_status" not in plan, plan
    finally:
        await connection.close()


async def _plan(connection: "asyncpg.Connection[asyncpg.Record]", filters: Filters) -> str:
    """Of the statement that the reader sends, as one text."""
    sent: list[tuple[str, tuple[object, ...]]] = []

    class Pool:
        async def fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
            sent.append((statement, values))
            return []

    after = After("TS20260001", datetime.now(UTC) - timedelta(days=9))
    await WorkListReader(Pool()).page("library", filters, after)  # type: ignore[arg-type]
    (statement, values) = sent[0]
    await connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
    rows = await connection.fetch(f"EXPLAIN {statement}", *values)
    return "\n".join(row[0] for row in rows)
