"""Files of an import, made by hand, and how they are read."""

import io
import zipfile
from collections.abc import Callable
from typing import Any, Literal

import openpyxl

from services.kit.imports.files.columns import Columns
from services.kit.imports.files.formats import Format, open_file
from services.kit.imports.files.rows import ReadRow
from services.kit.rules.fields import Day, ImportRow, ItemId, Line, Money


class Row(ImportRow):
    title: Line | None = None
    amount: Money | None = None
    due_on: Day | None = None
    item_id: ItemId | None = None
    returned: bool = False
    state: Literal["open", "closed"] | None = None


HEADINGS = {
    "学号": "student_id",
    "书名": "title",
    "金额": "amount",
    "应还日期": "due_on",
    "编号": "item_id",
    "已还": "returned",
    "状态": "state",
}
COLUMNS = Columns(Row, HEADINGS)


def read(data: bytes | str, kind: Format = Format.CSV) -> list[ReadRow]:
    return list(open_file(data.encode() if isinstance(data, str) else data, kind, COLUMNS).rows)


def cells(data: bytes | str, kind: Format = Format.CSV) -> list[dict[str, str]]:
    rows = read(data, kind)
    assert [row.problems for row in rows] == [()] * len(rows)
    return [row.cells for row in rows]


def workbook(*rows: list[Any], formats: dict[str, str] | None = None) -> bytes:
    """One sheet of these rows; `formats` are number formats by cell, `{"A2": "0000000000"}`."""
    return changed_workbook(*rows, change=lambda book: _set_formats(book, formats or {}))


def changed_workbook(*rows: list[Any], change: Callable[[openpyxl.Workbook], object]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    change(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _set_formats(book: openpyxl.Workbook, formats: dict[str, str]) -> None:
    assert book.active is not None
    for cell, number_format in formats.items():
        book.active[cell].number_format = number_format


def repacked(data: bytes, change: Callable[[str, bytes], bytes], **added: bytes) -> bytes:
    """The same zip with each part changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, content in added.items():
            new.writestr(name, content)
    return out.getvalue()
