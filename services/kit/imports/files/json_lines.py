"""JSON lines in UTF-8 to numbered rows. Pure, and lazy: a row at a time.

Numbers stay as they are written: 72.40 never passes through floating point.
"""

import io
import json
from collections.abc import Iterator
from typing import Any

from services.kit.imports.files.columns import IGNORED, Columns
from services.kit.imports.files.encodings import UTF16_MARKS
from services.kit.imports.files.problems import RowProblem, Text, Unimportable, problem
from services.kit.imports.files.rows import Cell, ReadRow, row_of
from services.kit.imports.files.table import Table


def open_json_lines(data: bytes, columns: Columns) -> Table:
    encoding = "utf-16" if data.startswith(UTF16_MARKS) else "utf-8"
    try:
        text = data.decode("utf-16" if encoding == "utf-16" else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        title = Text(f"第 {line} 行不是 UTF-8。", f"Line {line} is not UTF-8.")
        remedy = Text("请把 JSON 行保存为 UTF-8。", "Save the JSON lines in UTF-8.")
        raise Unimportable("wrong-encoding", title, remedy) from None
    members: set[str] = set()
    return Table(columns.unnamed, _rows(text, columns, members), encoding, members=members)


def _rows(text: str, columns: Columns, members: set[str]) -> Iterator[ReadRow]:
    first = True
    for number, line in enumerate(io.StringIO(text, newline="\n"), 1):
        if not line.strip():
            continue
        try:
            pairs = json.loads(
                line, object_pairs_hook=_Pairs, parse_float=str, parse_int=str, parse_constant=_reject_constant
            )
        except (ValueError, RecursionError):
            pairs = None
        if first and not isinstance(pairs, _Pairs):
            remedy = Text(
                '请每行写一个对象 {"student_id": …}，行间没有方括号和逗号。',
                'Write one object a line, {"student_id": …}, with no brackets or commas around the lines.',
            )
            title = Text(f"第 {number} 行不是 JSON 对象。", f"Line {number} is not a JSON object.")
            raise Unimportable("not-json-lines", title, remedy)
        first = False
        yield _json_row(number, pairs, columns, members)


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, so that a repeated member is noticed."""


def _reject_constant(constant: str) -> str:
    raise ValueError("NaN and Infinity are not JSON")


def _json_row(number: int, pairs: object, columns: Columns, members: set[str]) -> ReadRow:
    if not isinstance(pairs, _Pairs):
        fault = Text("这一行不是 JSON 对象。", "The line is not a JSON object.")
        return ReadRow(
            number, {}, (problem("", fault, Text('请写成 {"student_id": …}。', 'Write {"student_id": …}.')),)
        )
    cells = [_json_cell(at, name, value, columns) for at, (name, value) in enumerate(pairs, 1)]
    cells = [cell for cell in cells if cell.field != IGNORED]
    fields = [cell.field for cell in cells if cell.field is not None]
    members.update(fields)
    twice = {field for field in fields if fields.count(field) > 1} if len(set(fields)) < len(fields) else ()
    cells += [Cell(name, _member(0), "", _repeated(name, columns)) for name in twice]
    return row_of(number, cells, columns.unnamed) or ReadRow(number, {})


def _member(at: int) -> Text:
    return Text(f"第 {at} 个成员", f"member {at}")


def _repeated(name: str, columns: Columns) -> RowProblem:
    fault = columns.unnamed.place(name).describe(Text("出现了两次。", "is given twice."))
    return problem(name, fault, Text("只保留其中一个。", "Keep one of the two."))


def _json_cell(at: int, name: str, value: object, columns: Columns) -> Cell:
    field, place = columns.field(name), _member(at)
    if field is None:
        known = "; ".join(columns.known)
        remedy = Text(f"请删除，或改名为：{known}。", f"Remove it, or name it as one of: {known}.")
        fault = Text(f"{place.zh}的名称无法识别。", f"The name of {place.en} is not known.")
        return Cell(None, place, "", problem(place.en, fault, remedy))
    if isinstance(value, list):
        remedy = Text(
            "请填一个普通的值：文字、数字、true、false 或 null。",
            "Send one plain value: a text, a number, true, false or null.",
        )
        fault = columns.unnamed.place(field).describe(Text("是列表或对象。", "is a list or an object."))
        return Cell(field, place, "", problem(field, fault, remedy))
    return Cell(field, place, _as_text(value))


def _as_text(value: object) -> str:
    """A JSON value as a cell's text; numbers arrive as they were written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
