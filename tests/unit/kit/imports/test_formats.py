"""Files a department sends: what is read, what is refused, and with which remedy."""

import csv
import io
import json
import re
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.imports.export import quoted
from services.kit.imports.files.columns import Columns
from services.kit.imports.files.encodings import decoded
from services.kit.imports.files.formats import MAX_ROWS, Format, format_of
from services.kit.imports.files.problems import RowProblem, Unimportable
from services.kit.imports.files.rows import ReadRow
from tests.support.samples.import_files import Row, cells, read, workbook

FILE = "学号,书名,金额,应还日期\nTS1001,矿山压力,72.40,2026-06-05\nTS1002,“测量学”,,\n"
ROWS = [
    {"student_id": "TS1001", "title": "矿山压力", "amount": "72.40", "due_on": "2026-06-05"},
    {"student_id": "TS1002", "title": "“测量学”"},
]


def problem_of(rows: list[ReadRow]) -> RowProblem:
    (row,) = [row for row in rows if row.problems]
    (problem,) = row.problems
    return problem


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_csv_is_read_in_every_encoding_and_with_every_delimiter(encoding: str, delimiter: str, end: str) -> None:
    assert cells(FILE.replace(",", delimiter).replace("\n", end).encode(encoding)) == ROWS


def test_json_lines_and_a_workbook_say_the_same_as_a_csv() -> None:
    lines = "\n".join(
        [
            '{"学号": "TS1001", "title": "矿山压力", "amount": 72.40, "due_on": "2026-06-05"}',
            "",
            '{"student_id": "TS1002", "title": "“测量学”", "amount": null}',
        ]
    )
    assert cells(lines, Format.JSONL) == ROWS
    book = workbook(
        ["学号", "书名", "金额", "应还日期"],
        ["TS1001", "矿山压力", "72.40", datetime(2026, 6, 5)],
        ["TS1002", "“测量学”", None, None],
    )
    assert cells(book, Format.XLSX) == ROWS


def test_a_number_in_json_is_kept_as_it_was_written() -> None:
    line = '{"student_id": 20261234567890123, "amount": 0.10}'
    assert cells(line, Format.JSONL) == [{"student_id": "20261234567890123", "amount": "0.10"}]


def test_a_workbooks_numbers_truths_and_dates_become_what_a_person_would_type() -> None:
    book = workbook(
        ["student_id", "amount", "due_on", "title"],
        [20190001, 0.1 + 0.2, date(2026, 6, 5), True],
        [20190002.0, 72.4, datetime(2026, 6, 5, 8, 30), 7],
    )
    assert cells(book, Format.XLSX) == [
        {"student_id": "20190001", "amount": "0.3", "due_on": "2026-06-05", "title": "true"},
        {"student_id": "20190002", "amount": "72.4", "due_on": "2026-06-05T08:30:00", "title": "7"},
    ]


def test_rows_are_numbered_as_the_files_own_program_does_and_blank_ones_are_passed_over() -> None:
    assert [row.number for row in read("student_id,title\nTS1001,a\n,\n\nTS1002,b\n")] == [2, 5]
    assert [row.number for row in read('\n{"student_id": "TS1001"}\n', Format.JSONL)] == [2]
    book = workbook(["student_id"], ["TS1001"], [None], ["TS1002"])
    assert [row.number for row in read(book, Format.XLSX)] == [2, 4]


def test_a_quoted_cell_may_hold_the_delimiter_and_quotes() -> None:
    assert cells('student_id,title\nTS1001,"a, ""b"""\n') == [{"student_id": "TS1001", "title": 'a, "b"'}]


def test_headings_are_recognised_in_any_case_and_width_and_a_column_without_one_may_be_empty() -> None:
    assert cells("Ｓtudent_ID , TITLE,\nTS1001,a,\n") == [{"student_id": "TS1001", "title": "a"}]


def test_unknown_missing_and_doubled_columns_are_all_named_with_the_known_ones() -> None:
    with pytest.raises(Unimportable) as caught:
        read("书名,title,电话\na,b,c\n")
    assert caught.value.status == 422
    assert [error["field"] for error in caught.value.errors] == ["title", "column 3", "student_id"]
    assert "电话" in caught.value.errors[1]["problem"]
    assert "student_id (学号)" in caught.value.errors[1]["remedy"]
    assert "student_id or 学号" in caught.value.errors[2]["remedy"]


def test_a_heading_of_the_callers_must_name_a_field() -> None:
    with pytest.raises(ValueError, match="titel"):
        Columns(Row, {"书名": "titel"})


def test_the_columns_the_export_adds_are_passed_over() -> None:
    assert cells("student_id,import_row,import_problem\nTS1001,7,=wrong\n") == [{"student_id": "TS1001"}]


@pytest.mark.parametrize("start", ["=", "+", "@", "\t", "\r", "-", " =", "＝", "＠"])
def test_a_cell_that_begins_like_a_formula_is_refused_with_its_field(start: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["student_id", "title"], ["TS1001", f"{start}cmd"], ["TS1002", "good"]])
    rows = read(text.getvalue())
    assert problem_of(rows)["field"] == "title"
    assert rows[1].cells == {"student_id": "TS1002", "title": "good"}
    assert not rows[1].problems


@pytest.mark.parametrize("number", ["-5", "-0.50", "-.5", "3-5", "a=b"])
def test_a_number_below_zero_is_left_to_the_row_model(number: str) -> None:
    assert cells(f"student_id,amount\nTS1001,{number}\n") == [{"student_id": "TS1001", "amount": number}]


@pytest.mark.parametrize("text", ["x\x00y", "x\x1by", "x\ud800y"])
def test_a_text_that_cannot_be_stored_is_refused_and_kept_storable(text: str) -> None:
    line = json.dumps({"student_id": "TS1001", "title": text})
    (row,) = read(line, Format.JSONL)
    assert row.problems[0]["field"] == "title"
    assert row.cells["title"] == "x\ufffdy"


@pytest.mark.parametrize("name", ["王\u200b玥", "王\u202e玥", "王\ue000玥"])
def test_a_name_with_a_character_that_nobody_sees_is_refused(name: str) -> None:
    assert problem_of(read(f"student_id,title\nTS1001,{name}\n"))["field"] == "title"


def test_a_cell_of_more_than_4_kb_is_refused_and_4_kb_are_not() -> None:
    assert problem_of(read(f"student_id,title\nTS1001,{'矿' * 1366}\n"))["field"] == "title"
    assert not read(f"student_id,title\nTS1001,{'矿' * 1365}\n")[0].problems


def test_a_value_below_no_heading_is_refused_with_its_place() -> None:
    assert "column 3" in problem_of(read("student_id,title\nTS1001,a,b\n"))["problem"]


def test_a_formula_a_spreadsheet_error_and_a_duration_are_refused_with_the_cell_named() -> None:
    book = workbook(
        ["student_id", "amount"], ["TS1001", "=1+1"], ["TS1002", "#N/A"], ["TS1003", timedelta(hours=3)], ["TS1004", 1]
    )
    rows = read(book, Format.XLSX)
    for row, name in zip(rows, ("B2", "B3", "B4"), strict=False):
        assert row.problems[0]["problem"].startswith(f"“amount”（单元格 {name}）")
        assert f"cell {name}" in row.problems[0]["problem"]
    assert [row.problems[0]["field"] for row in rows[:3]] == ["amount"] * 3
    assert rows[3].cells == {"student_id": "TS1004", "amount": "1"}


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("nonsense", ""),
        ("[1]", ""),
        ('{"student_id": "TS1001", "title": [1]}', "title"),
        ('{"student_id": "TS1001", "title": {"a": 1}}', "title"),
        ('{"student_id": "TS1001", "书名": "a", "title": "b"}', "title"),
        ('{"student_id": "TS1001", "phone": "1"}', "member 2"),
        ('{"student_id": "TS1001", "amount": NaN}', ""),
        ("[" * 100_000, ""),
        ('{"student_id": ' + "[" * 100_000, ""),
    ],
)
def test_a_bad_json_line_is_refused_alone(line: str, field: str) -> None:
    rows = read('{"student_id": "TS1000"}\n' + line + '\n{"student_id": "TS1002"}', Format.JSONL)
    assert problem_of(rows)["field"] == field
    assert [row.number for row in rows if not row.problems] == [1, 3]


UTF8_BUT_FOR_ONE_BYTE = FILE.replace("测量学", "测量学" * 20).encode().replace("矿山".encode(), b"\xff\xfe")


@pytest.mark.parametrize(
    ("data", "kind", "slug"),
    [
        (b"", Format.CSV, "empty-file"),
        (b" \r\n", Format.CSV, "empty-file"),
        ("学号,书名\n".encode(), Format.CSV, "no-rows"),
        (FILE.encode("utf-16-le"), Format.CSV, "not-text"),
        (FILE.encode("utf-16")[:-1], Format.CSV, "wrong-encoding"),
        (b"student_id\nTS\x001001\n", Format.CSV, "not-text"),
        (UTF8_BUT_FOR_ONE_BYTE, Format.CSV, "wrong-encoding"),
        (b"student_id\n\xff\xff\xff\n", Format.CSV, "wrong-encoding"),
        (b'student_id,title\nTS1001,"a\n', Format.CSV, "malformed-csv"),
        (b'student_id,title\nTS1001,"a"b\n', Format.CSV, "malformed-csv"),
        (b'student_id,title\nTS1001,"' + b"a" * 200_000 + b'"\n', Format.CSV, "malformed-csv"),
        (b"student_id" + b",title" * 200 + b"\n", Format.CSV, "wrong-headings"),
        (workbook(["student_id"], ["TS1001"]), Format.CSV, "format-mismatch"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), Format.XLSX, "old-or-locked-workbook"),
        (b'{"student_id": "\xff"}', Format.JSONL, "wrong-encoding"),
        (b"student_id,title\nTS1001,a\n", Format.JSONL, "not-json-lines"),
        (b'[{"student_id": "TS1001"}]', Format.JSONL, "not-json-lines"),
        (b"student_id\nTS1001\n", Format.XLSX, "not-a-workbook"),
        (workbook(["student_id"], ["TS1001"])[:-400], Format.XLSX, "not-a-workbook"),
        (workbook(["student_id"], ["TS1001"])[:3000], Format.XLSX, "not-a-workbook"),
        (workbook(), Format.XLSX, "no-rows"),
        (workbook(["phone"], ["1"]), Format.XLSX, "wrong-headings"),
    ],
)
def test_a_file_that_is_spoilt_as_a_whole_is_refused_with_a_remedy(data: bytes, kind: Format, slug: str) -> None:
    with pytest.raises(Unimportable) as caught:
        read(data, kind)
    assert caught.value.slug == slug
    assert 400 <= caught.value.status < 500
    assert caught.value.remedy


def test_a_file_with_too_many_rows_is_refused() -> None:
    with pytest.raises(Unimportable) as caught:
        read("student_id\n" + "TS1001\n" * (MAX_ROWS + 1))
    assert caught.value.slug == "too-many-rows"


@given(title=st.text(max_size=20), amount=st.text(max_size=8))
def test_any_text_survives_a_csv_or_is_refused_with_its_field(title: str, amount: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["student_id", "title", "amount"], ["TS1001", title, amount]])
    data = b"\xef\xbb\xbf" + text.getvalue().encode(errors="surrogatepass")
    if "\0" not in title + amount and not re.search("[\ud800-\udfff]", title + amount):
        (row,) = read(data)
        refused = {problem["field"] for problem in row.problems}
        for name, value in (("title", title), ("amount", amount)):
            assert name in refused or row.cells.get(name, "") == (value if value.strip() else "")


@given(st.text(max_size=30))
def test_nothing_exported_begins_like_a_formula(text: str) -> None:
    shown = quoted(text)
    assert shown in (text, f"'{text}")
    begins = shown.lstrip()[:1]
    assert begins not in set("=+@＝＋－＠")
    assert shown[:1] not in set("\t\r\n\0")
    assert begins != "-" or shown.strip("-0123456789.") == ""


@pytest.mark.parametrize(
    ("media_type", "filename", "expected"),
    [
        ("text/csv; charset=utf-8", None, Format.CSV),
        ("application/x-ndjson", None, Format.JSONL),
        ("application/vnd.ms-excel", "行.CSV", Format.CSV),
        ("application/octet-stream", "rows.xlsx", Format.XLSX),
    ],
)
def test_the_format_is_what_the_name_or_else_the_content_type_says(
    media_type: str, filename: str | None, expected: Format
) -> None:
    assert format_of(media_type, filename) is expected


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Unimportable, match="unknown-format") as caught:
        format_of("application/pdf", "rows.pdf")
    assert caught.value.status == 415
    assert "text/csv" in caught.value.remedy


def test_the_encoding_is_said() -> None:
    assert [decoded(FILE.encode(each)) for each in ("utf-8", "utf-16", "gb18030")] == [
        (FILE, "utf-8"),
        (FILE, "utf-16"),
        (FILE, "gb18030"),
    ]
