"""Workbooks as people send them: ids that became numbers, days that became numbers, and what a sheet hides."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from services.kit.imports.files.formats import Format, open_file
from services.kit.imports.files.problems import RowProblem, Unimportable
from tests.support.samples.import_files import COLUMNS, cells, changed_workbook, read, repacked, workbook

HEADINGS = ["学号", "编号"]


def refused(cell: Any, number_format: str = "General", *, column: str = "B") -> RowProblem:
    """The problem of an id cell with this value and format."""
    row = ["TS1001", "C-1"]
    row["AB".index(column)] = cell
    (only,) = read(workbook(HEADINGS, row, formats={f"{column}2": number_format}), Format.XLSX)
    (problem,) = only.problems
    return problem


def test_a_number_in_a_column_of_ids_is_read_as_the_sheet_shows_it() -> None:
    book = workbook(
        HEADINGS,
        [230800101, 307],
        [230800102, 42],
        [230800103, 12.0],
        formats={"A2": "0000000000", "B2": "0000", "B3": '"B"00000'},
    )
    assert [tuple(row.values()) for row in cells(book, Format.XLSX)] == [
        ("0230800101", "0307"),
        ("230800102", "B00042"),
        ("230800103", "12"),
    ]


@pytest.mark.parametrize(
    ("value", "number_format"),
    [
        (2023080000000011, "General"),
        (2023080000000011.0, "General"),
        (1.59e17, "0"),
        (230801000000, "0.00E+00"),
        (12.5, "General"),
        (1234, "#,##0"),
        (-5, "General"),
        (True, "General"),
        (datetime(2026, 3, 7), "m-d"),
        ("2.02308E+15", "@"),
        ("2.02308E15", "@"),
    ],
)
@pytest.mark.parametrize("column", ["A", "B"])
def test_a_cell_that_lost_its_id_is_refused_with_the_remedy(value: Any, number_format: str, column: str) -> None:
    problem = refused(value, number_format, column=column)
    assert problem["field"] == {"A": "student_id", "B": "item_id"}[column]
    assert problem["problem"].startswith({"A": "“学号”", "B": "“编号”"}[column])
    assert "设置为文本" in problem["remedy"]
    assert "column as text" in problem["remedy"]


def test_two_long_ids_in_e_notation_never_become_one() -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(b"<v>11</v>", b"<v>2.023080000000011E15</v>").replace(
            b"<v>12</v>", b"<v>2.023080000000012E15</v>"
        )

    book = repacked(workbook(HEADINGS, ["TS1001", 11], ["TS1001", 12]), change)
    rows = read(book, Format.XLSX)
    assert [row.problems[0]["field"] for row in rows] == ["item_id", "item_id"]


@pytest.mark.parametrize("text", ["2.30801E+11", "2.02308E+15", "2.02308E15", "２.０２３０８Ｅ15"])
@pytest.mark.parametrize("kind", [Format.CSV, Format.JSONL])
def test_e_notation_is_refused_in_a_column_of_ids_in_every_format(text: str, kind: Format) -> None:
    line = f'{{"学号": "TS1001", "编号": "{text}"}}' if kind is Format.JSONL else f"学号,编号\nTS1001,{text}\n"
    (row,) = read(line, kind)
    assert row.problems[0]["field"] == "item_id"
    assert "设置为文本" in row.problems[0]["remedy"]


def test_e_notation_elsewhere_is_text() -> None:
    assert cells("学号,书名\nTS1001,2E15\n") == [{"student_id": "TS1001", "title": "2E15"}]


@pytest.mark.parametrize("mac", [False, True])
def test_days_are_read_with_and_without_a_date_format_in_both_calendars(mac: bool) -> None:
    serial = 46178 - 1462 * mac

    def change(book: Workbook) -> None:
        if mac:
            book.epoch = CALENDAR_MAC_1904
        book.active["B2"].number_format = "yyyy/m/d"  # type: ignore[index]

    book = changed_workbook(
        ["学号", "应还日期"], ["TS1001", serial], ["TS1002", serial], ["TS1003", serial + 0.604], change=change
    )
    days = [row["due_on"] for row in cells(book, Format.XLSX)]
    assert [day[:10] for day in days] == ["2026-06-05"] * 3


@pytest.mark.parametrize("value", [20260605, 5, 1.5, True])
def test_a_number_that_is_no_day_is_left_for_the_row_to_refuse(value: Any) -> None:
    (row,) = cells(workbook(["学号", "应还日期"], ["TS1001", value]), Format.XLSX)
    assert row["due_on"] == {True: "true"}.get(value is True, str(value))


def second_sheet(rows: list[list[Any]], state: str, at: int | None = None) -> Callable[[Workbook], None]:
    def change(book: Workbook) -> None:
        sheet = book.create_sheet("另一个", at)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = state

    return change


def hidden_row(book: Workbook) -> None:
    book.active.row_dimensions[3].hidden = True  # type: ignore[union-attr]


def merged(book: Workbook) -> None:
    book.active.merge_cells("A2:A3")  # type: ignore[union-attr]


STUDENTS = [["学号"], ["TS1009"]]


@pytest.mark.parametrize(
    ("change", "slug", "named"),
    [
        (second_sheet(STUDENTS, "visible"), "several-sheets", "另一个"),
        (second_sheet([["说明"]], "visible"), "several-sheets", "另一个"),
        (second_sheet(STUDENTS, "hidden"), "hidden-sheet", "另一个"),
        (second_sheet(STUDENTS, "hidden", 0), "hidden-sheet", "另一个"),
        (second_sheet(STUDENTS, "veryHidden"), "hidden-sheet", "另一个"),
        (hidden_row, "hidden-rows", "3"),
        (merged, "merged-cells", "A2:A3"),
    ],
)
def test_rows_that_would_be_read_or_left_unseen_refuse_the_workbook(
    change: Callable[[Workbook], None], slug: str, named: str
) -> None:
    with pytest.raises(Unimportable) as caught:
        read(changed_workbook(HEADINGS, ["TS1001", "a"], ["TS1002", "b"], change=change), Format.XLSX)
    assert caught.value.slug == slug
    assert named in caught.value.title
    assert caught.value.remedy


def test_a_row_of_no_height_is_hidden() -> None:
    flat = repacked(
        workbook(HEADINGS, ["TS1001", "a"]), lambda _, part: part.replace(b'<row r="2"', b'<row r="2" ht="0"')
    )
    with pytest.raises(Unimportable, match="hidden-rows"):
        read(flat, Format.XLSX)


@pytest.mark.parametrize("at", [None, 0])
def test_a_hidden_sheet_of_something_else_is_left_and_named(at: int | None) -> None:
    change = second_sheet([["代码表"], ["毕业"]], "hidden", at)
    table = open_file(changed_workbook(HEADINGS, ["TS1001", "a"], change=change), Format.XLSX, COLUMNS)
    assert [row.cells for row in table.rows] == [{"student_id": "TS1001", "item_id": "a"}]
    (warning,) = table.warnings
    assert "另一个" in warning


def test_an_empty_second_sheet_and_an_empty_hidden_row_change_nothing() -> None:
    def change(book: Workbook) -> None:
        book.create_sheet("Sheet2")
        book.create_sheet("Sheet3").sheet_state = "hidden"
        book.active.row_dimensions[9].hidden = True  # type: ignore[union-attr]

    table = open_file(changed_workbook(HEADINGS, ["TS1001", "a"], change=change), Format.XLSX, COLUMNS)
    assert (len(list(table.rows)), table.warnings) == (1, ())


def test_a_hidden_column_is_read_and_named() -> None:
    def change(book: Workbook) -> None:
        book.active.column_dimensions["B"].hidden = True  # type: ignore[union-attr]

    table = open_file(changed_workbook(HEADINGS, ["TS1001", "a"], change=change), Format.XLSX, COLUMNS)
    assert [row.cells["item_id"] for row in table.rows] == ["a"]
    (warning,) = table.warnings
    assert "编号" in warning


def test_cells_merged_in_the_headings_alone_are_no_matter() -> None:
    def change(book: Workbook) -> None:
        book.active.merge_cells("A1:B1")  # type: ignore[union-attr]

    book = changed_workbook(["学号", None], ["TS1001", None], change=change)
    assert cells(book, Format.XLSX) == [{"student_id": "TS1001"}]


def test_a_formula_is_refused_with_and_without_its_value() -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(b"<f>1+2</f><v></v>", b"<f>1+2</f><v>3</v>").replace(
            b"<f>1+2</f><v/>", b"<f>1+2</f><v>3</v>"
        )

    book = workbook(["学号", "金额"], ["TS1001", "=1+1"], ["TS1002", "=1+2"])
    for data in (book, repacked(book, change)):
        rows = read(data, Format.XLSX)
        assert [row.problems[0]["field"] for row in rows] == ["amount", "amount"]
        assert "公式" in rows[0].problems[0]["problem"]
