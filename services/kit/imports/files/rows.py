"""Rows of a file and the bounds of their cells. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from services.kit.imports.files.columns import CONTROL, IGNORED, ORIGINAL, Headings, storable
from services.kit.imports.files.kinds import is_scientific
from services.kit.imports.files.problems import Place, RowProblem, Text, problem

MAX_CELL_BYTES: Final = 4096
_MAX_PROBLEMS: Final = 20
"""Of one row."""
AS_TEXT: Final = Text(
    "请把整列的格式设置为文本，重新填写完整的编号后再发送。",
    "Format the whole column as text, type the full id again and send the file.",
)


_INVISIBLE: Final = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ue000-\uf8ff\U000f0000-\U0010ffff]")
_FORMULA: Final = re.compile(r"[\t\r]|\s*(?:[=@+＝＠＋]|[-－](?![0-9.]))")


@dataclass(frozen=True, slots=True)
class ReadRow:
    """One row: its number as a spreadsheet or editor counts it, and its non-empty cells as text, by field.

    A row with `problems` is rejected; its cells are kept for the export.
    """

    number: int
    cells: dict[str, str]
    problems: tuple[RowProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its field (None for a column without heading), its text, or a fault of its kind."""

    field: str | None
    at: Text
    text: str
    wrong: RowProblem | None = None


def cells_of(record: Iterable[tuple[int, Text, str]], headings: Headings) -> Iterator[Cell]:
    """The cells of a record outside ignored columns, from (index from 0, location, text)."""
    fields, known = headings.fields, len(headings.fields)
    for index, at, text in record:
        field = fields[index] if index < known else None
        if field != IGNORED:
            yield Cell(field, at, text)


def row_of(number: int, cells: Iterable[Cell], headings: Headings) -> ReadRow | None:
    """One row from its cells, or None when all of them are empty."""
    kept: dict[str, str] = {}
    problems: list[RowProblem] = []
    for cell in cells:
        if cell.wrong is None and not cell.text.strip():
            continue
        wrong = cell.wrong or _cell_wrong(cell, headings)
        if wrong is not None:
            problems.append({**wrong, "field": wrong["field"].removeprefix(ORIGINAL)})
        if cell.field is not None:
            kept[cell.field] = cell.text if wrong is None else storable(cell.text)
    if not kept and not problems:
        return None
    if headings.translate is not None:
        # Also of a row with faults: what it speaks of is known by the fields of this import.
        translated = headings.translate(kept)
        problems = problems or list(translated)
    return ReadRow(number, kept, tuple(problems[:_MAX_PROBLEMS]))


def _cell_wrong(cell: Cell, headings: Headings) -> RowProblem | None:
    if cell.field is None:
        fault = Place("", cell.at).describe(Text("有值，但该列没有列名。", "has a value but no heading."))
        return problem("", fault, Text("删除该值，或给该列加上列名。", "Remove the value or name the column."))
    text = cell.text
    if len(text) * 4 > MAX_CELL_BYTES and len(text.encode(errors="replace")) > MAX_CELL_BYTES:
        found = _TOO_LONG
    elif not text.isprintable() and (CONTROL.search(text) or _INVISIBLE.search(text)):
        found = _UNPRINTABLE
    elif _FORMULA.match(text):
        found = _LIKE_A_FORMULA
    elif cell.field in headings.ids and is_scientific(text):
        found = SCIENTIFIC, AS_TEXT
    else:
        return None
    fault, remedy = found
    return problem(cell.field, headings.place(cell.field, cell.at).describe(fault), remedy)


SCIENTIFIC: Final = Text(
    "是科学计数法（如 2.02E+15），末尾数字已丢失。", "is in E notation (as 2.02E+15): its last digits are lost."
)
_TOO_LONG: Final = (
    Text(f"超过 {MAX_CELL_BYTES} 字节。", f"is longer than {MAX_CELL_BYTES} bytes."),
    Text("请缩短文字。", "Shorten the text."),
)
_UNPRINTABLE: Final = (
    Text("含有控制字符、不可见字符或自造字。", "holds a control, invisible or private-use character, or half of one."),
    Text("请重新输入，或以纯文本粘贴。", "Type the value again, or paste it as plain text."),
)
_LIKE_A_FORMULA: Final = (
    Text("开头像公式（=、+、-、@ 或制表符）。", "begins like a formula (=, +, -, @ or a tab)."),
    Text("请填写普通的值；没有则留空。", "Send the plain value; leave the cell empty for none."),
)
