"""A system's file read by its source: headings, words, formats and what follows from several columns."""

import re
from pathlib import Path

import pytest

from services.kit.imports.files.formats import Format
from services.kit.imports.files.problems import Unimportable
from services.kit.imports.sources.folder import load_sources
from services.kit.imports.sources.source import WrongSource
from tests.support.samples.import_files import HEADINGS, Row, workbook
from tests.support.samples.sources import only_row, open_by, sources, write_source

WORDS = """
ignored = ["姓名", "备注"]
[columns]
student_id = ["读者号"]
due_on = ["应还时间"]
[words.state]
open = ["在借", "借出"]
closed = ["已还清"]
[words.returned]
yes = ["已归还"]
no = ["未归还"]
[words.title]
"甲" = ["A"]
[formats]
amount = "money"
due_on = "compact-day"
"""


def test_a_heading_counts_without_case_width_spaces_and_the_star_of_a_required_column(tmp_path: Path) -> None:
    write_source(tmp_path, WORDS)
    for heading in ("学号*", "＊学 号", "读者号", "STUDENT_ID"):
        assert only_row(sources(tmp_path), f"{heading},书名\nTS1,a\n").cells["student_id"] == "TS1"


def test_words_and_formats_become_the_values_of_the_import(tmp_path: Path) -> None:
    write_source(tmp_path, WORDS)
    row = only_row(
        sources(tmp_path), '读者号,姓名,状态,已还,金额,应还时间,书名\nTS1,林,在 借,已归还,"￥8,000.00",20260605,A\n'
    )
    own = {name: cell for name, cell in row.cells.items() if not name.startswith("=")}
    assert own == {
        "student_id": "TS1",
        "state": "open",
        "returned": "yes",
        "amount": "8000.00",
        "due_on": "2026-06-05",
        "title": "甲",
    }
    assert row.problems == ()
    assert row.cells["=state"] == "在 借"


@pytest.mark.parametrize(
    ("value", "expected"), [("open", "open"), ("OPEN", "open"), ("true", "yes"), ("0", "no"), ("是", None)]
)
def test_the_values_of_the_import_itself_are_known_words(tmp_path: Path, value: str, expected: str | None) -> None:
    write_source(tmp_path, WORDS)
    field, heading = ("state", "状态") if value.lower() == "open" else ("returned", "已还")
    row = only_row(sources(tmp_path), f"学号,{heading}\nTS1,{value}\n")
    assert row.cells[field] == (expected or value)


def test_an_unknown_word_is_refused_in_its_row_with_the_words_that_are_known(tmp_path: Path) -> None:
    write_source(tmp_path, WORDS)
    first, second = open_by(sources(tmp_path), "学号,状态\nTS1,也许\nTS2,在借\n").rows
    (problem,) = first.problems
    assert problem["field"] == "state"
    assert problem["problem"].startswith("“状态”的值不在来源“样例系统”的词表里。 ")
    assert "在借、借出、已还清" in problem["remedy"]
    assert "也许" not in str(problem)
    assert second.problems == ()


def test_what_a_source_ignores_is_named_and_anything_else_is_refused(tmp_path: Path) -> None:
    write_source(tmp_path, WORDS)
    table = open_by(sources(tmp_path), "学号,姓名,状态,备注\nTS1,林,在借,急\n")
    assert (table.headings.source, table.headings.ignored) == ("sample", ("姓名", "备注"))
    with pytest.raises(Unimportable) as caught:
        open_by(sources(tmp_path), "读者号,姓名,状态,押金\nTS1,林,在借,3\n")
    (error,) = caught.value.errors
    assert "“押金”无法识别" in error["problem"]
    assert "ignored" in error["remedy"]


def test_the_source_is_found_by_the_headings_when_one_fits(tmp_path: Path) -> None:
    write_source(tmp_path, 'columns.title = ["题"]', "one")
    write_source(tmp_path, 'columns.title = ["名"]', "two")
    found = sources(tmp_path)
    assert open_by(found, "学号,题\nTS1,a\n").headings.source == "one"
    assert open_by(found, "学号,名\nTS1,a\n").headings.source == "two"
    assert open_by(found, "学号,名\nTS1,a\n", source="two").headings.source == "two"
    # Both fit, and so does the import itself: none is guessed.
    assert open_by(found, "学号,书名\nTS1,a\n").headings.source is None


def test_headings_that_fit_two_sources_ask_for_the_name_of_one(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_source(tmp_path, 'columns.title = ["题"]', name)
    with pytest.raises(Unimportable, match="several-sources") as caught:
        open_by(sources(tmp_path), "学号,题\nTS1,a\n")
    assert "one、two" in caught.value.remedy
    with pytest.raises(Unimportable, match="unknown-source") as caught:
        open_by(sources(tmp_path), "学号,题\nTS1,a\n", source="three")
    assert "one、two" in caught.value.remedy


def test_json_lines_are_read_by_a_named_source_only(tmp_path: Path) -> None:
    write_source(tmp_path, WORDS)
    line = '{"读者号": "TS1", "状态": "在借", "姓名": "林"}'
    (row,) = open_by(sources(tmp_path), line, Format.JSONL, source="sample").rows
    assert (row.problems, row.cells["state"]) == ((), "open")
    (row,) = open_by(sources(tmp_path), line, Format.JSONL).rows
    assert row.problems


def test_one_column_of_several_fields_is_split(tmp_path: Path) -> None:
    write_source(tmp_path, '[[splits]]\ncolumns = ["书"]\ninto = ["item_id", "title"]\nseparators = ["-", " "]')
    row = only_row(sources(tmp_path), "学号,书\nTS1,B7－几何\n")
    assert (row.cells["item_id"], row.cells["title"]) == ("B7", "几何")
    (problem,) = only_row(sources(tmp_path), "学号,书\nTS1,几何\n").problems
    assert "编号-书名" in problem["remedy"]
    with pytest.raises(Unimportable, match="wrong-headings"):
        open_by(sources(tmp_path), "学号,书,书名\nTS1,B7-几何,b\n")


def test_a_field_is_joined_from_its_parts_as_the_sheet_shows_them(tmp_path: Path) -> None:
    write_source(tmp_path, '[[joins]]\nfield = "item_id"\nparts = [["代码"], ["title"]]')
    data = workbook(["学号", "代码", "书名"], ["TS1", 7, "2025"], formats={"B2": "000"})
    assert only_row(sources(tmp_path), data, Format.XLSX).cells["item_id"] == "007-2025"


STATEMENTS = """
columns.amount = ["应缴"]
columns.title = ["实缴"]
[[statements]]
columns = ["借阅状态"]
[statements.words]
"在借" = { returned = "no", due_on = "*" }
"已还" = { returned = "yes", due_on = "" }
"欠" = { title = "!amount" }
"差" = { title = "<amount-state" }
"齐" = { title = "=amount" }
"?" = { state = "?open" }
[[statements]]
columns = ["归还日期"]
words = { "*" = { returned = "yes" } }
[[statements]]
columns = ["还书日期"]
days = true
words = { "*" = { returned = "yes" }, "未还" = { returned = "no" } }
"""


@pytest.mark.parametrize(
    ("heading", "cells", "expected"),
    [
        ("借阅状态,应还日期", "在借,2026-06-05", {"returned": "no"}),
        ("借阅状态", "已还", {"returned": "yes"}),
        ("借阅状态,应缴", "齐,12.00", {"title": "12.00"}),
        ("借阅状态,应缴,实缴", "齐,12.00,9.00", {"title": "9.00"}),
        ("借阅状态,应缴,实缴", "欠,12.00,9.00", {"title": "9.00"}),
        ("借阅状态", "？", {"state": "open"}),
        ("借阅状态,状态", "?,closed", {"state": "closed"}),
        ("归还日期", "2026-06-05", {"returned": "yes"}),
        ("归还日期,已还", "2026-06-05,yes", {"returned": "yes"}),
        ("还书日期", "2026年6月5日", {"returned": "yes"}),
        ("还书日期", "20260605", {"returned": "yes"}),
        ("还书日期", "未还", {"returned": "no"}),
        ("借阅状态,应缴,实缴", "差,12.00,9.00", {"title": "9.00"}),
    ],
)
def test_a_column_says_something_of_others(tmp_path: Path, heading: str, cells: str, expected: dict[str, str]) -> None:
    write_source(tmp_path, STATEMENTS)
    row = only_row(sources(tmp_path), f"学号,{heading}\nTS1,{cells}\n")
    assert row.problems == ()
    assert {name: row.cells.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("heading", "cells", "says"),
    [
        ("借阅状态", "在借", "需要“应还日期”"),
        ("借阅状态,应还日期", "已还,2026-06-05", "与“应还日期”矛盾"),
        ("借阅状态,已还", "已还,no", "与“已还”矛盾"),
        ("借阅状态,应缴,实缴", "欠,12.00,12.00", "与“实缴”矛盾"),
        ("借阅状态,应缴", "欠,12.00", "需要“书名”"),
        ("借阅状态", "丢失", "词表"),
        ("归还日期,已还", "2026-06-05,no", "与“已还”矛盾"),
        ("还书日期", "0000-00-00", "词表"),
        ("还书日期", "/", "词表"),
        ("借阅状态,应缴,实缴", "差,12.00,12.00", "与“实缴”矛盾"),
        ("借阅状态,应缴,实缴,状态", "差,12.00,9.00,3", "与“实缴”矛盾"),
        ("借阅状态,应缴,实缴", "差,12.00,九", "与“实缴”矛盾"),
        ("借阅状态,应缴", "差,12.00", "需要“书名”"),
    ],
)
def test_columns_that_contradict_each_other_refuse_their_row(
    tmp_path: Path, heading: str, cells: str, says: str
) -> None:
    write_source(tmp_path, STATEMENTS)
    row = only_row(sources(tmp_path), f"学号,{heading}\nTS1,{cells}\n")
    assert says in row.problems[0]["problem"]
    assert re.match("[\u4e00-\u9fff]", row.problems[0]["remedy"])


@pytest.mark.parametrize(("owed", "refused"), [("8,000.00", True), ("￥2,000元", False), ("二千", True), ("0", True)])
def test_a_column_that_repeats_others_has_to_add_up(tmp_path: Path, owed: str, refused: bool) -> None:
    write_source(tmp_path, '[[sums]]\ncolumns = ["欠费"]\nof = "amount"\nless = []\n[formats]\namount = "money"')
    row = only_row(sources(tmp_path), f'学号,金额,欠费\nTS1,"2,000.00","{owed}"\n')
    assert bool(row.problems) is refused


def test_a_row_with_a_faulty_cell_still_tells_what_it_speaks_of(tmp_path: Path) -> None:
    write_source(tmp_path, WORDS)
    row = only_row(sources(tmp_path), "学号,状态,书名\nTS1,在借,=1+1\n")
    assert row.problems[0]["field"] == "title"
    assert row.cells["state"] == "open"


def test_a_later_folder_replaces_a_source_of_the_same_name(tmp_path: Path) -> None:
    write_source(tmp_path / "shipped", 'columns.title = ["题"]')
    write_source(tmp_path / "own", 'columns.title = ["名"]')
    found = load_sources([tmp_path / "shipped", tmp_path / "own", tmp_path / "missing", None], Row, HEADINGS)
    assert open_by(found, "学号,名\nTS1,a\n").headings.source == "sample"
    with pytest.raises(Unimportable):
        open_by(found, "学号,题\nTS1,a\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('columns.titel = ["题"]', "no field 'titel'"),
        ('columns.title = ["题"]\ncolumns.state = ["题 "]', "'题 ' is listed twice"),
        ('ignored = ["书名"]', "'书名' is a column of this import"),
        ('[words.state]\najar = ["半开"]', "'ajar' is none of open, closed"),
        ('[words.state]\nopen = ["在"]\nclosed = ["在"]', "'在' is listed twice"),
        ('constants.state = "ajar"', "constants.state"),
        ('formats.title = "money"', "money is for a field of money"),
        ('formats.title = "roman"', "formats.title"),
        ('[[sums]]\ncolumns = ["欠"]\nof = "title"\nless = []', "title is no money"),
        ('[[statements]]\ncolumns = ["状况"]\nwords = { "丢" = { state = "lost" } }', "'丢' sets state to 'lost'"),
        ('[[statements]]\ncolumns = ["状况"]\nwords = { "丢" = { title = "=amout" } }', "no field 'amout'"),
        ("ignore = []", "ignore: Extra inputs"),
        ("[", "Invalid"),
    ],
)
def test_a_source_that_does_not_fit_its_import_is_named_at_the_start(tmp_path: Path, text: str, says: str) -> None:
    path = write_source(tmp_path, text)
    with pytest.raises(WrongSource) as caught:
        sources(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)
