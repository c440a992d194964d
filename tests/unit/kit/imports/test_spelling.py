"""Values as files write them, and the one spelling of each kind."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.imports.export import as_text
from services.kit.imports.files.kinds import FieldKind, as_day, is_scientific, spelled
from services.kit.imports.files.xlsx.number_formats import shown
from tests.support.samples.import_files import COLUMNS


def test_the_kind_of_a_column_is_that_of_its_field() -> None:
    assert COLUMNS.kinds == {
        "student_id": FieldKind.STUDENT_ID,
        "title": FieldKind.TEXT,
        "amount": FieldKind.MONEY,
        "due_on": FieldKind.DAY,
        "item_id": FieldKind.IDENTIFIER,
        "returned": FieldKind.FLAG,
        "state": FieldKind.CODE,
        "as_of": FieldKind.INSTANT,
    }


@pytest.mark.parametrize(
    "text",
    [
        "2026/6/5",
        "2026-06-05",
        "2026年6月5日",
        "2026.6.5",
        "2026/6/5 0:00",
        "2026-06-05 14:30:00",
        "2026-06-05 14:30:00.0",
        "2026-06-05T14:30:00",
        "2026-6-5 8:05",
        "2026年6月5日 8:05",
        "2026年6月5日8:05",
    ],
)
def test_a_day_as_exports_write_it_is_a_day(text: str) -> None:
    assert as_day(text) == "2026-06-05"


@pytest.mark.parametrize(
    "text",
    ["6/5/2026", "5/6/2026", "05-Jun-26", "20260605", "46178", "soon", "2026/6/5 25:00", "2026-06-05T22:30:00Z"],
)
def test_a_text_that_is_no_plain_day_is_left_as_it_is(text: str) -> None:
    assert as_day(text) == text


@given(st.dates(date(1950, 1, 1), date(2149, 12, 31)))
def test_every_day_is_read_in_every_way_of_writing_it(day: date) -> None:
    written = [f"{day.year}{mark}{day.month}{mark}{day.day}" for mark in "-/."]
    written += [f"{day.year}年{day.month}月{day.day}日", f"{day} 23:59:59", f"{day}T00:00:00"]
    assert {spelled(FieldKind.DAY, text) for text in written} == {day.isoformat()}


@pytest.mark.parametrize(
    ("kind", "written", "read"),
    [
        (FieldKind.STUDENT_ID, "ts23990a ", "TS23990A"),
        (FieldKind.STUDENT_ID, "ＴＳ２３９９０", "TS23990"),
        (FieldKind.STUDENT_ID, "\u00a0TS239\u3000", "TS239"),
        (FieldKind.STUDENT_ID, "'0230800101", "0230800101"),
        (FieldKind.STUDENT_ID, "学生 1", "学生 1"),
        (FieldKind.IDENTIFIER, " Ａ０３０７ ", "A0307"),
        (FieldKind.IDENTIFIER, "'0307", "0307"),
        (FieldKind.IDENTIFIER, "a0307", "a0307"),
        (FieldKind.CODE, " submitted　", "submitted"),
        (FieldKind.CODE, "ｓｕｂｍｉｔｔｅｄ", "submitted"),
        (FieldKind.FLAG, "yes ", "yes"),
        (FieldKind.DAY, "２０２６-６-５", "2026-06-05"),
        (FieldKind.TEXT, " Ｃ语言 ", "Ｃ语言"),
    ],
)
def test_ends_are_trimmed_and_full_width_is_folded_except_in_names_and_titles(
    kind: FieldKind, written: str, read: str
) -> None:
    assert spelled(kind, written) == read


@pytest.mark.parametrize("kind", FieldKind)
@given(text=st.text(max_size=20))
def test_a_spelling_is_its_own_spelling(kind: FieldKind, text: str) -> None:
    once = spelled(kind, text.replace("'", "").replace("＇", ""))
    assert spelled(kind, once) == once


@pytest.mark.parametrize(
    ("value", "number_format", "expected"),
    [
        (230800101, "0000000000", "0230800101"),
        (307, "0000", "0307"),
        (7, "General", "7"),
        (7, "@", "7"),
        (7, "0_ ", "7"),
        (7, "[$-804]000;[$-804]-000", "007"),
        (42, '"B"0000', "B0042"),
        (42, "\\B0000", "B0042"),
        (1234567, "000-0000", "123-4567"),
        (12345678, "000-0000", "1234-5678"),
        (7, "###0", "7"),
        (0, "000", "000"),
        (5, "#,##0", None),
        (5, "0.00", None),
        (5, "0%", None),
        (5, "0.00E+00", None),
        (5, "yyyy-mm-dd", None),
        (5, "[Red]000", None),
        (5, "[DBNum1]0", None),
        (5, "", "5"),
        (5, '"none"', None),
        (-5, "0000", None),
    ],
)
def test_a_whole_number_is_what_its_cell_shows(value: int, number_format: str, expected: str | None) -> None:
    assert shown(value, number_format) == expected


@given(value=st.integers(0, 10**15 - 1), width=st.integers(1, 20))
def test_a_padded_format_shows_every_digit(value: int, width: int) -> None:
    assert shown(value, "0" * width) == str(value).rjust(width, "0")


@pytest.mark.parametrize(
    "text", ["2.30801E+11", "2.02308E+15", "2.02308E15", "2e+15", " 1.5e-3 ", "２.０２Ｅ+15", "'2.02E+15"]
)
def test_a_number_in_e_notation_is_known(text: str) -> None:
    assert is_scientific(text)


@pytest.mark.parametrize("text", ["TS239E12", "E5", "12E34", "2023-E1", "1E5A", "20230800000000011"])
def test_an_id_with_the_letter_e_is_no_number(text: str) -> None:
    assert not is_scientific(text)


@pytest.mark.parametrize(
    "text", ["0230800109", "20230801", "3-07", "1/2", "2.5", "MAR1", "Dec-12", "2E05", "true", "+1", "=1"]
)
def test_an_id_that_a_spreadsheet_would_change_is_exported_as_text(text: str) -> None:
    assert as_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["TS20260001", "A0307", "C-2025-01", "梅苑1号楼", "E5", ""])
def test_other_ids_are_exported_as_they_are(text: str) -> None:
    assert as_text(text) == text


@given(st.from_regex(r"\A[A-Z0-9][A-Z0-9-]{2,31}\Z"))
def test_an_exported_student_number_is_read_as_itself(text: str) -> None:
    assert spelled(FieldKind.STUDENT_ID, as_text(text)) == text
