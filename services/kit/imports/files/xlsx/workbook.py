"""The one visible sheet of an XLSX workbook to numbered rows; openpyxl parses it, with defusedxml below.

What a reader of the sheet would not see, or would see and we would not read, refuses the file or is a warning.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from services.kit.imports.files.columns import Columns, Headings
from services.kit.imports.files.problems import Text, Unimportable
from services.kit.imports.files.rows import ReadRow, row_of
from services.kit.imports.files.table import Table
from services.kit.imports.files.xlsx.cells import CellReader
from services.kit.imports.files.xlsx.openpyxl_rows import ParsedRow, Sheet, Workbook
from services.kit.imports.files.xlsx.zip_bounds import check_zip, unsound


def open_workbook(data: bytes, columns: Columns) -> Table:
    """The rows of the visible sheet below its headings. Raises `Unimportable` for an unsound or unclear workbook."""
    check_zip(data)
    with _sound():
        book = Workbook(data)
        sheet = _visible_sheet(book)
        warnings = [_warning(hidden) for hidden in book.sheets if hidden.hidden and _is_filled(hidden, columns)]
        rows = sheet.rows()
        first = next((row for row in rows if row.has_values), None)
        if first is None:
            return Table(columns.unnamed, iter(()), warnings=tuple(warnings))
        _require_visible(first)
        headings = columns.match(_texts(first.cells))
        warnings += _hidden_columns(sheet, headings)
    cells = CellReader(headings, book.number_format, book.epoch)
    return Table(headings, _rows(sheet, rows, first.number, cells), warnings=tuple(warnings))


def _rows(sheet: Sheet, rows: Iterator[ParsedRow], first: int, reader: CellReader) -> Iterator[ReadRow]:
    with _sound():
        for parsed in rows:
            row = row_of(parsed.number, reader.cells(parsed.number, parsed.cells), reader.headings)
            if row is not None:
                _require_visible(parsed)
                yield row
        last, merged = sheet.lowest_merge
        if last > first:
            title = Text(f"单元格 {merged} 是合并的。", f"The cells {merged} are merged.")
            remedy = Text(
                "请取消合并，在每一行填上各自的值后再发送。",
                "Unmerge them, fill in the value in each row, and send the workbook again.",
            )
            raise Unimportable("merged-cells", title, remedy)


@contextmanager
def _sound() -> Iterator[None]:
    try:
        yield
    except Unimportable:
        raise
    except Exception:
        # Whatever the parsers raise on hostile bytes: KeyError, ParseError, EntitiesForbidden, OverflowError …
        raise unsound() from None


def _visible_sheet(book: Workbook) -> Sheet:
    visible = [sheet for sheet in book.sheets if not sheet.hidden]
    if len(visible) == 1:
        return visible[0]
    filled = [sheet for sheet in visible if any(row.has_values for row in sheet.rows())]
    if len(filled) > 1:
        names = [sheet.title for sheet in filled[:5]]
        title = Text(
            f"有数据的工作表不止一个：{'、'.join(names)}。", f"More than one sheet has rows: {', '.join(names)}."
        )
        remedy = Text(
            "每个文件只保留一个工作表，分别发送。",
            "Keep one sheet in a file and send each of them as a file of its own.",
        )
        raise Unimportable("several-sheets", title, remedy)
    if not visible:
        raise unsound()
    return (filled or visible)[0]


def _is_filled(sheet: Sheet, columns: Columns) -> bool:
    """Whether a hidden sheet has anything. Raises `Unimportable` when it may be rows of this import."""
    first = next((row for row in sheet.rows() if row.has_values), None)
    if first is not None and any(columns.names_student(text) for text in _texts(first.cells)):
        title = Text(f"隐藏的工作表“{sheet.title}”也有学号。", f"The hidden sheet “{sheet.title}” has students, too.")
        remedy = Text(
            "请删除该工作表，或取消隐藏并单独发送。", "Delete it, or make it visible and send it as a file of its own."
        )
        raise Unimportable("hidden-sheet", title, remedy)
    return first is not None


def _warning(sheet: Sheet) -> str:
    return str(Text(f"隐藏的工作表“{sheet.title}”没有读取。", f"The hidden sheet “{sheet.title}” was not read."))


def _hidden_columns(sheet: Sheet, headings: Headings) -> list[str]:
    hidden = [
        headings.labels[field] for at, field in enumerate(headings.fields, 1) if field and at in sheet.hidden_columns
    ]
    if not hidden:
        return []
    named = Text(f"读取了隐藏的列：{'、'.join(hidden)}。", f"Hidden columns were read: {', '.join(hidden)}.")
    return [str(named)]


def _require_visible(row: ParsedRow) -> None:
    if row.hidden:
        title = Text(f"第 {row.number} 行是隐藏的或被筛选掉。", f"Row {row.number} is hidden or filtered away.")
        remedy = Text(
            "请取消隐藏和筛选，删除不需要的行后再发送。",
            "Show all rows, delete those that are not wanted, and send the workbook again.",
        )
        raise Unimportable("hidden-rows", title, remedy)


def _texts(cells: list[dict[str, Any]]) -> list[str]:
    """Texts by column, blank where there is none. A far-out column counts as too many, without a list up to it."""
    width = min(max(cell["column"] for cell in cells), 1000)
    texts = [""] * width
    for cell in cells:
        if cell["column"] <= width and cell["value"] is not None:
            texts[cell["column"] - 1] = str(cell["value"])
    while texts and not texts[-1].strip():
        texts.pop()
    return texts
