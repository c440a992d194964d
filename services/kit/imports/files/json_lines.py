"""JSON lines in UTF-8 to numbered rows. Pure, and lazy: a row at a time.

Numbers stay as they are written: 72.40 never passes through floating point.
"""

import io
import json
from collections.abc import Iterator
from typing import Any

from services.kit.imports.files.columns import Cell, Columns, ReadRow, RowProblem, Unimportable, row_of


def json_rows(data: bytes, columns: Columns) -> Iterator[ReadRow]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = data.count(b"\n", 0, error.start) + 1
        raise Unimportable("wrong-encoding", f"Line {wrong} is not UTF-8", "Save the JSON lines in UTF-8.") from None
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
            remedy = 'Write one object a line, {"student_id": …}, with no brackets or commas around the lines.'
            raise Unimportable("not-json-lines", f"Line {number} is not a JSON object", remedy)
        first = False
        yield _json_row(number, pairs, columns)


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, so that a repeated member is noticed."""


def _reject_constant(constant: str) -> str:
    raise ValueError("NaN and Infinity are not JSON")


def _json_row(number: int, pairs: object, columns: Columns) -> ReadRow:
    if not isinstance(pairs, _Pairs):
        problem = "the line is not a JSON object"
        return ReadRow(number, {}, ({"field": "", "problem": problem, "remedy": 'Write {"student_id": …}.'},))
    cells = [_json_cell(at, name, value, columns) for at, (name, value) in enumerate(pairs, 1)]
    fields = [cell.field for cell in cells if cell.field is not None]
    twice = {field for field in fields if fields.count(field) > 1} if len(set(fields)) < len(fields) else ()
    cells += [Cell(name, name, "", _repeated(name)) for name in twice]
    return row_of(number, cells) or ReadRow(number, {})


def _repeated(name: str) -> RowProblem:
    return {"field": name, "problem": "this field is given twice", "remedy": "Keep one of the two."}


def _json_cell(at: int, name: str, value: object, columns: Columns) -> Cell:
    field, place = columns.field(name), f"member {at}"
    if field is None:
        remedy = f"Remove it, or name it as one of: {'; '.join(columns.known)}."
        return Cell(
            None, place, "", {"field": place, "problem": "a member of this name is not known", "remedy": remedy}
        )
    if isinstance(value, list):
        remedy = "Send one plain value: a text, a number, true, false or null."
        return Cell(field, place, "", {"field": field, "problem": "the value is a list or an object", "remedy": remedy})
    return Cell(field, place, _as_text(value))


def _as_text(value: object) -> str:
    """A JSON value as a cell's text; numbers arrive as they were written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
