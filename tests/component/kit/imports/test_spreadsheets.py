"""Spreadsheets through the whole import: file in, results of rows and records out."""

import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import asyncpg
import pytest
from openpyxl import Workbook

from schemas.topics import Topics
from services.dorm.operations import RULES as DORM
from services.finance.operations import RULES as FINANCE
from services.kit.department.changes.imports import department_import
from services.kit.department.desk import Desk
from services.kit.imports.spec import ImportSpec
from services.kit.manifests import discover
from services.kit.messaging.outbox import Wakeup
from tests.support.imports.department import Service, counts, service, student
from tests.support.samples.import_files import changed_workbook, workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CHARGE = ["学号", "收费编号", "收费学年", "收费项目名称", "应缴金额", "已缴金额"]
ROOM = ["学号", "校区", "楼宇", "房间号", "退宿日期", "退宿办理人"]


def department(database: str, rules: Any) -> AbstractAsyncContextManager[Service]:
    def spec(pool: "asyncpg.Pool[Any]") -> ImportSpec[Any]:
        return department_import(
            Desk(rules, pool, Topics("test"), Wakeup(), discover()[rules.name]), discover()[rules.name]
        )

    return service(database, spec)


@pytest.fixture
async def finance(database: str) -> AsyncIterator[Service]:
    async with department(database, FINANCE) as running:
        yield running


@pytest.fixture
async def dorm(database: str) -> AsyncIterator[Service]:
    async with department(database, DORM) as running:
        yield running


async def records(running: Service, field: str) -> dict[str, list[dict[str, Any]]]:
    rows = await running.pool.fetch("SELECT student_id, body->>$1 AS items FROM record", field)
    return {row["student_id"]: json.loads(row["items"]) for row in rows}


async def test_a_debt_stays_with_the_student_whose_leading_zero_the_sheet_shows(finance: Service) -> None:
    book = workbook(CHARGE, [230800101, 12, 2025, "住宿费", 1200, 0], formats={"A2": "0000000000", "B2": "0000"})
    assert counts(await finance.imported(book, XLSX)) == (1, 0, 0)
    (who, charges), *none = (await records(finance, "charges")).items()
    assert (who, charges[0]["charge_id"], none) == ("0230800101", "0012", [])


@pytest.mark.parametrize("numbers", [(2023080000000011, 2023080000000012), (2.0230800000000110e17, 2.02e17)])
async def test_two_long_numbers_are_two_rejected_rows_and_no_debt_vanishes(
    finance: Service, numbers: tuple[float, float]
) -> None:
    one = student()
    first, second = ([one, number, 2025, "学费", 8000, paid] for number, paid in zip(numbers, (0, 8000), strict=True))
    book = workbook(CHARGE, first, second)
    job = await finance.imported(book, XLSX)
    assert counts(job) == (0, 0, 2)
    rejected = await finance.rejected(job)
    assert {row: problem["field"] for row, problem in rejected.items()} == {2: "charge_id", 3: "charge_id"}
    assert rejected[2]["problem"].startswith("“收费编号”（单元格 B2）")
    assert "设置为文本" in rejected[2]["remedy"]


async def test_e_notation_in_a_csv_is_rejected_and_its_export_may_pass_through_a_spreadsheet(finance: Service) -> None:
    rows = ["2.30801E+11,C1,2025", f"{student()},2.02308E15,2025", "0230800101,007,9999"]
    file = "\n".join([",".join(CHARGE), *(f"{row},学费,8000,0" for row in rows)])
    job = await finance.imported(file)
    assert counts(job) == (0, 0, 3)
    answer = await finance.http.get(f"/imports/{job['job_id']}/rows.csv")
    exported = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert list(exported[0])[:2] == ["学号", "收费编号"]
    ids = [(row["学号"], row["收费编号"]) for row in exported]
    assert (ids[0][0], ids[2]) == ("'2.30801E+11", ("'0230800101", "'007"))
    assert counts(await finance.imported(answer.content)) == (0, 0, 3)
    corrected = answer.content.decode().replace("9999", "2025")
    assert counts(await finance.imported(corrected)) == (1, 0, 2)
    assert [charge["charge_id"] for charge in (await records(finance, "charges"))["0230800101"]] == ["007"]


async def test_one_room_in_any_spelling_is_one_residence_and_its_days_are_read_with_a_time(dorm: Service) -> None:
    one = student()
    rows: list[list[Any]] = [
        [one, "南湖校区", "梅苑1楼", "A0307", "2026-06-05", "周管理"],
        [one.lower(), "南湖校区", "梅苑 1楼", "Ａ0307", "2026-06-05 14:30:00", "周管理"],
        [f" {one} ", "南湖校区", "梅苑1楼", "a0307", datetime(2026, 6, 5, 8, 5), "周管理"],
        [one, "南湖校区", "梅苑1楼", 307, 46178, "周管理"],
    ]
    job = await dorm.imported(workbook(ROOM, *rows, formats={"D5": "0000"}), XLSX)
    assert job["rejected"] == 0
    residences = (await records(dorm, "residences"))[one]
    assert [(each["room"], each["checked_out_on"]) for each in residences] == [
        ("A0307", "2026-06-05"),
        ("0307", "2026-06-05"),
    ]


async def test_a_day_that_may_be_two_is_rejected_with_its_reason(dorm: Service) -> None:
    job = await dorm.imported(f"{','.join(ROOM)}\n{student()},南湖校区,梅苑1楼,1,6/5/2026,周管理\n")
    problem = (await dorm.rejected(job))[2]
    assert problem["problem"].startswith("“退宿日期”不是日期")
    assert "有歧义" in problem["remedy"]


def _second(book: Workbook) -> None:
    book.create_sheet("矿业学院").append(["学号"])


def _hidden_row(book: Workbook) -> None:
    book.active.row_dimensions[2].hidden = True  # type: ignore[union-attr]


def _merged(book: Workbook) -> None:
    book.active.merge_cells("B2:C2")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "problem"), [(_second, "several-sheets"), (_hidden_row, "hidden-rows"), (_merged, "merged-cells")]
)
async def test_a_workbook_with_unseen_rows_is_refused_and_leaves_nothing(
    dorm: Service, change: Any, problem: str
) -> None:
    book = changed_workbook(ROOM, [student(), "南湖校区", "梅苑1楼", "1"], change=change)
    answer = await dorm.send(book, XLSX)
    assert answer.status_code == 422
    assert answer.json()["type"].endswith(problem)
    assert "\u4e00" <= answer.json()["title"][0] <= "\u9fff"
    assert await dorm.pool.fetchval("SELECT count(*) FROM import_job") == 0


async def test_a_hidden_sheet_that_was_not_read_is_named_by_the_job(dorm: Service) -> None:
    def change(book: Workbook) -> None:
        sheet = book.create_sheet("代码表", 0)
        sheet.append(["南湖校区"])
        sheet.sheet_state = "hidden"

    job = await dorm.imported(changed_workbook(ROOM, [student(), "南湖校区", "梅苑1楼", "1"], change=change), XLSX)
    assert counts(job) == (1, 0, 0)
    assert job["warnings"] == ["隐藏的工作表“代码表”没有读取。 The hidden sheet “代码表” was not read."]


async def test_spaces_around_codes_ids_and_yes_are_no_matter(library: Service) -> None:
    one = student()
    job = await library.imported(
        f"学号,论文,loan_barcode,loan_returned\n {one}　,approved , B1,yes \n{one}, submitted,,\n{one},Submitted,,\n"
    )
    assert counts(job) == (2, 0, 1)
    assert (await library.rejected(job))[4]["problem"].startswith("“论文”不是可用的代码")


@pytest.mark.parametrize("encoding", ["cp1252", "shift_jis", "euc_kr"])
async def test_a_file_in_a_foreign_encoding_is_refused_with_the_remedy(library: Service, encoding: str) -> None:
    title = {"cp1252": "Jürgen", "shift_jis": "資源工学", "euc_kr": "자원공학"}[encoding]
    answer = await library.send(f"student_id,loan_barcode,loan_title\nTS1,B1,{title}\n".encode(encoding))
    assert answer.status_code == 422
    assert "CSV UTF-8" in answer.json()["detail"]


async def test_utf_16_and_a_workbook_named_csv_reach_their_own_answer(library: Service) -> None:
    job = await library.imported(f"学号,论文\n{student()},approved\n".encode("utf-16"))
    assert (counts(job), job["encoding"]) == ((1, 0, 0), "utf-16")
    answer = await library.send(workbook(["student_id"], ["TS1001"]))
    assert answer.json()["type"].endswith("format-mismatch")
