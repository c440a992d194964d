"""A work list as CSV and as XLSX: texts that a spreadsheet leaves as they are."""

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from services.kit.imports.export import as_text, quoted

CSV_TYPE: Final = "text/csv; charset=utf-8"
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_NOT_IN_TITLE: Final = re.compile(r"[\\*?:/\[\]]")
"""Of a sheet: a department's own title may have one."""
_WIDTHS: Final = (18, 14, 26, 26, 10, 40, 22)

Row = Sequence[str]


async def csv_lines(heading: Row, rows: AsyncIterator[Row]) -> AsyncIterator[bytes]:
    """In UTF-8 with the byte order mark Excel needs. The first cell of a row is the student number."""
    yield b"\xef\xbb\xbf" + _line(heading)
    async for row in rows:
        yield _line([as_text(row[0]), *map(quoted, row[1:])])


def xlsx_file(title: str, heading: Row, rows: Sequence[Row]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet(_NOT_IN_TITLE.sub(" ", title)[:31])
    for number, width in enumerate(_WIDTHS):
        sheet.column_dimensions["ABCDEFG"[number]].width = width
    sheet.freeze_panes = "A2"
    for row in (heading, *rows):
        sheet.append([_text(sheet, cell) for cell in row])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _text(sheet: Any, value: str) -> Any:
    cell = WriteOnlyCell(sheet, value)
    # Else a text that begins with = becomes a formula.
    cell.data_type = "s"
    return cell


def _line(cells: Row) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
