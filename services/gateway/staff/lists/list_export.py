"""A work list as CSV and as XLSX: texts that a spreadsheet leaves as they are."""

import csv
import io
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from fastapi.responses import StreamingResponse
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from services.kit.imports.export import as_text, quoted

CSV_TYPE: Final = "text/csv; charset=utf-8"
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_NOT_IN_TITLE: Final = re.compile(r"[\\*?:/\[\]]")
"""Of a sheet: a department's own title may have one."""
_WIDTHS: Final = (18, 14, 26, 26, 10, 40, 22)

Row = Sequence[str]


async def csv_answer(heading: Row, rows: AsyncIterator[Row], headers: Mapping[str, str]) -> StreamingResponse:
    """It begins when the first row is read: what cannot be read is no file without rows."""
    lines = csv_lines(heading, rows)
    beginning = await anext(lines)

    async def all_lines() -> AsyncIterator[bytes]:
        yield beginning
        async for line in lines:
            yield line

    return StreamingResponse(all_lines(), media_type=CSV_TYPE, headers=headers)


async def csv_lines(heading: Row, rows: AsyncIterator[Row]) -> AsyncIterator[bytes]:
    """In UTF-8 with the byte order mark Excel needs. The first cell of a row is the student number."""
    first = await anext(rows, None)
    yield b"\xef\xbb\xbf" + _line(heading)
    if first is None:
        return
    yield _written(first)
    async for row in rows:
        yield _written(row)


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


def _written(row: Row) -> bytes:
    return _line([as_text(row[0]), *map(quoted, row[1:])])


def _line(cells: Row) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
