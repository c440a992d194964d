"""Files of an import, made by hand, and how they are read."""

import io
from typing import Any

import openpyxl

from services.kit.imports.files.columns import Columns, ReadRow
from services.kit.imports.files.formats import Format, read_rows
from services.kit.rules.fields import Day, ImportRow, Line, Money


class Row(ImportRow):
    title: Line | None = None
    amount: Money | None = None
    due_on: Day | None = None


COLUMNS = Columns(Row, {"学号": "student_id", "书名": "title", "金额": "amount", "应还日期": "due_on"})


def read(data: bytes | str, kind: Format = Format.CSV) -> list[ReadRow]:
    return list(read_rows(data.encode() if isinstance(data, str) else data, kind, COLUMNS))


def cells(data: bytes | str, kind: Format = Format.CSV) -> list[dict[str, str]]:
    rows = read(data, kind)
    assert [row.problems for row in rows] == [()] * len(rows)
    return [row.cells for row in rows]


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
