"""Reasons of rows: the column as the file calls it, Chinese first, what to write instead, and no pattern."""

import re
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.finance.import_row import FinanceRow
from services.kit.imports.files.problems import RowProblem
from services.kit.imports.reasons import row_problems
from services.kit.imports.spec import ImportSpec
from services.kit.names import desk_role
from services.library.import_row import LibraryRow
from tests.support.samples.import_files import HEADINGS, Row


def unused(*_: Any) -> Awaitable[Any]:
    raise AssertionError("no row is applied here")


def spec_of(row: Any, headings: dict[str, str]) -> ImportSpec[Any]:
    return ImportSpec(kind="sample", row=row, headings=headings, apply=unused, role=desk_role("library"))


def problems(spec: ImportSpec[Any], cells: dict[str, str], **headings: str) -> tuple[RowProblem, ...]:
    try:
        spec.read(cells)
    except ValidationError as error:
        return row_problems(error, spec.columns, headings)
    return ()


SAMPLE = spec_of(Row, HEADINGS)
FINANCE = spec_of(FinanceRow, {"学号": "student_id", "收费学年": "year"})
LIBRARY = spec_of(LibraryRow, {"学号": "student_id"})
CHARGE = {"student_id": "TS1001", "charge_id": "C1", "year": "2025", "name": "学费", "amount": "1"}


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("student_id", "no number!", "不是学号"),
        ("title", "长" * 201, "最多 200 个字"),
        ("amount", "8,000.00", "不带逗号"),
        ("amount", "72.405", "最多两位小数"),
        ("amount", "-1", "不小于 0"),
        ("due_on", "7/5/2026", "2026-06-05"),
        ("due_on", "1900-01-01", "1950"),
        ("item_id", "a b", "编号"),
        ("returned", "maybe", "请填 是 或 否"),
        ("state", "ajar", "可填：open、closed"),
    ],
)
def test_a_value_of_each_kind_is_refused_with_what_to_write(field: str, text: str, says: str) -> None:
    (problem,) = problems(SAMPLE, {"student_id": "TS1001", field: text}, **{field: "列甲"})
    assert problem["field"] == field
    assert problem["problem"].startswith("“列甲”")
    assert says in problem["problem"] + problem["remedy"]
    assert text not in str(problem)


def test_without_headings_a_column_is_called_by_its_chinese_name() -> None:
    assert problems(SAMPLE, {"title": "a"})[0]["problem"].startswith("“学号”为空")


def test_a_school_year_is_refused_with_an_example() -> None:
    (problem,) = problems(FINANCE, {**CHARGE, "year": "2025-2026学年"})
    assert "类似 2018" in problem["remedy"]


def test_a_rule_over_several_columns_has_its_own_words() -> None:
    (title, due) = problems(LIBRARY, {"student_id": "TS1001", "loan_barcode": "B1"})
    assert title["problem"] == (
        "“loan_title”：未归还的借阅要有题名和应还日期。 A loan that is not returned needs its title and its due date."
    )
    assert due["field"] == "loan_due_on"


@given(st.dictionaries(st.sampled_from([*HEADINGS.values()]), st.text(min_size=1, max_size=8)))
def test_no_reason_has_a_pattern_and_each_begins_in_chinese(cells: dict[str, str]) -> None:
    for problem in problems(SAMPLE, cells):
        text = problem["problem"] + problem["remedy"]
        assert not re.search(r"[\^$\\]|\[[A-Za-z0-9]|pattern|regular", text)
        assert re.match("“[^”]+”[\u4e00-\u9fff：（]", problem["problem"])
        assert re.match("[\u4e00-\u9fff]", problem["remedy"])
