"""The sources that are shipped: lists as systems write them, with invented people, become rows of the imports."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from services.clearance.roster.api import SOURCES
from services.clearance.roster.cases import HEADINGS, RosterRow
from services.kit.department.changes.imports import STUDENT_ID
from services.kit.imports.files.formats import Format, open_file
from services.kit.imports.sources.folder import FOLDER, load_sources
from services.kit.imports.spec import ImportSpec
from services.kit.manifests import SERVICES, discover

NAMES = [*discover(), "roster"]


def spec_of(name: str) -> ImportSpec[Any]:
    if name == "roster":
        row, headings, folder = RosterRow, HEADINGS, SOURCES
    else:
        row = importlib.import_module(f"services.{name}.operations").RULES.import_row
        headings, folder = {**STUDENT_ID, **discover()[name].headings}, SERVICES / name / FOLDER

    async def unused(*_: Any) -> Any:
        raise AssertionError

    return ImportSpec(
        kind=name, row=row, headings=headings, apply=unused, role="", sources=load_sources([folder], row, headings)
    )


def understood(name: str, text: str) -> list[dict[str, Any]]:
    spec = spec_of(name)
    table = open_file(text.encode(), Format.CSV, spec.file_columns.of(None))
    assert table.headings.source is not None
    rows = list(table.rows)
    assert [row.problems for row in rows] == [()] * len(rows)
    return [spec.read(row.cells).model_dump(mode="json", exclude_unset=True) for row in rows]


@pytest.mark.parametrize("name", NAMES)
def test_every_import_has_a_source(name: str) -> None:
    assert spec_of(name).sources


LIBRARY = [
    ("学号,姓名,证件状态,论文状态\nTS1001,林一,已注销,审核通过\n", {"card": "cancelled", "thesis": "approved"}),
    ("学号*,读者证状态\nTS1001,正常\n", {"card": "active"}),
    (
        "读者证号,姓名,图书条码,书名,应还日期,是否归还\nTS1001,林一,B0001,采矿学,2026-06-20 00:00:00,否\n",
        {"loan_barcode": "B0001", "loan_title": "采矿学", "loan_due_on": "2026-06-20", "loan_returned": False},
    ),
    ("读者证号,图书条码,归还日期\nTS1001,B0001,2026-06-01\n", {"loan_barcode": "B0001", "loan_returned": True}),
    (
        "读者证号,欠款编号,欠款金额,欠款状态\nTS1001,F-1,￥3.50,已缴清\n",
        {"fine_id": "F-1", "fine_amount": "3.50", "fine_paid": "3.50"},
    ),
]
FINANCE = {"charge_id": "C-1", "year": "2025-2026", "name": "学费", "amount": "8000.00"}
FINANCE_LISTS = [
    (
        "学号,姓名,学院,收费编号,收费学年,收费项目名称,应缴金额,已缴金额,减免金额,备注\n"
        'TS1001,林一,信控,C-1,2025-2026学年,学费,"8,000.00",0,0,\n',
        {**FINANCE, "paid": "0.00", "waived": "0.00"},
    ),
    (
        "XH,学年,收费项目代码,收费项目,应收金额,实收金额,减免,欠费金额\n"
        "TS1001,2025-2026学年,C,学费,8000元,6000元,500元,1500元\n",
        {**FINANCE, "charge_id": "C-2025-2026", "paid": "6000.00", "waived": "500.00"},
    ),
    (
        "学号,收费编号,学年,收费项目,应收金额,缴费状态\nTS1001,C-1,2025-2026,学费,8000,未缴\n",
        {**FINANCE, "paid": "0.00"},
    ),
]
DORM = {"campus": "南湖校区", "building": "梅苑1楼", "room": "A0307"}
DORM_LISTS = [
    ("学号,姓名,校区,楼栋,房间,住宿状态\nTS1001,林一,南湖校区,梅苑1楼,A0307,在住\n", DORM),
    (
        "学号,宿舍,退宿时间,办理人,是否退宿\nTS1001,南湖校区-梅苑1楼-A0307,2026-06-05 14:30:00,王五,是\n",
        {**DORM, "checked_out_on": "2026-06-05", "handler": "王五"},
    ),
]
ARCHIVES_LISTS = [
    ("学号,姓名,学院,论文提交状态\nTS1001,林一,信控,审核通过\n", {"state": "approved"}),
    ("学生学号,论文题目,提交状态\nTS1001,煤层气,已提交\n", {"state": "submitted"}),
    ("学生学号,提交状态,审核状态\nTS1001,已提交,审核通过\n", {"state": "approved"}),
]
STUDENT = {
    "name": "林一",
    "gender": "女",
    "college": "信控学院",
    "major": "控制科学",
    "grade": "2023级",
    "enrolled_on": "2023-09-01",
    "leave_category": "毕业离校",
}
ROSTER_LISTS = [
    (
        "学号,姓名,性别,培养单位,学科专业,年级,导师姓名,入学日期,离校类别,毕业年份\n"
        "TS1001,林一,女性,信控学院,控制科学,2023级,王五,20230901,毕业离校,2026届\n",
        {**STUDENT, "cohort": "2026"},
    )
]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        *(("library", *each) for each in LIBRARY),
        *(("finance", *each) for each in FINANCE_LISTS),
        *(("dorm", *each) for each in DORM_LISTS),
        *(("archives", *each) for each in ARCHIVES_LISTS),
        *(("roster", *each) for each in ROSTER_LISTS),
    ],
)
def test_a_list_as_its_system_writes_it_is_read_as_it_is(name: str, text: str, expected: dict[str, Any]) -> None:
    assert understood(name, text) == [{"student_id": "TS1001", **expected}]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("finance", "学号,收费编号,学年,收费项目,应收金额,已缴,缴费状态\nTS1,C,2025,学费,80,80,欠费\n", "矛盾"),
        ("finance", "学号,收费编号,学年,收费项目,应收金额,已缴,减免,缴费状态\nTS1,C,2025,学费,80,0,80,欠费\n", "矛盾"),
        ("finance", "学号,收费编号,学年,收费项目,应收金额,已缴,缴费状态\nTS1,C,2025,学费,80,90,部分缴费\n", "矛盾"),
        ("finance", "学号,收费编号,学年,收费项目,应收金额,欠费\nTS1,C,2025,学费,80,20\n", "不等于"),
        ("dorm", "学号,校区,楼栋,房间,退宿状态\nTS1,南湖,梅苑,A1,已退宿\n", "需要"),
        ("dorm", "学号,校区,楼栋,房间,退宿日期,退宿状态\nTS1,南湖,梅苑,A1,2026-06-05,在住\n", "矛盾"),
        ("archives", "学号,提交状态,审核状态\nTS1,未提交,审核通过\n", "矛盾"),
        ("library", "学号,证件状态\nTS1,冻结\n", "词表"),
        ("library", "学号,条形码,书名,应还日期,归还日期\nTS1,B1,采矿学,2026-06-20,未还\n", "词表"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(name: str, text: str, says: str) -> None:
    table = open_file(text.encode(), Format.CSV, spec_of(name).file_columns.of(None))
    (row,) = table.rows
    assert says in row.problems[0]["problem"]


def test_a_copied_department_has_the_sources_of_its_folder(tmp_path: Path) -> None:
    rules = importlib.import_module("services.library.operations").RULES
    folder = tmp_path / "reading-room" / FOLDER
    folder.mkdir(parents=True)
    for path in (SERVICES / "library" / FOLDER).glob("*.toml"):
        (folder / path.name).write_bytes(path.read_bytes())
    assert load_sources([folder], rules.import_row, {**STUDENT_ID, **discover()["library"].headings})
