"""The first sheet of an XLSX workbook as rows. A workbook is a zip of XML from outside: bounded before it is parsed.

openpyxl parses, with defusedxml below it. Of a sheet only its parser of single rows is used: its iterator over a sheet
trusts the size the file claims, drops what lies beyond, fills any gap with empty rows and holds a row of any width.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import IO, Any, Final
from xml.etree.ElementTree import Element, TreeBuilder, XMLParser

import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._reader import DATA_TAG, ROW_TAG, WorkSheetParser

from services.kit.imports.columns import PASSED_OVER, Cell, Columns, ReadRow, RowProblem, Unimportable, cells_of, row_of

MAX_ENTRIES: Final = 500
MAX_UNPACKED_BYTES: Final = 128 * 1024 * 1024
MAX_RATIO: Final = 100
_SMALL_BYTES: Final = 1024 * 1024
"""Below this an entry may be packed as tightly as it likes."""
MAX_TAGS: Final = 10_000_000
MAX_ROW_ELEMENTS: Final = 20_000
_ROW_DEPTH: Final = 3
"""worksheet, sheetData, row."""
_LAST_ROW: Final = 1_048_576
_PIECE_BYTES: Final = 256 * 1024
_XML: Final = re.compile(r"\.(xml|rels|vml)$", re.IGNORECASE)


def sheet_rows(data: bytes, columns: Columns) -> Iterator[ReadRow]:
    """The rows of the first sheet below its headings. Raises `Unimportable` for what is no sound workbook."""
    _check_zip(data)
    try:
        fields: list[str | None] | None = None
        for number, cells in _parsed(data):
            if fields is not None:
                row = row_of(number, _cells(number, cells, fields))
                if row is not None:
                    yield row
            elif cells:
                fields = columns.match(_headings(cells))
    except Unimportable:
        raise
    except Exception:
        # Whatever a parser makes of hostile bytes: KeyError, ParseError, EntitiesForbidden, OverflowError …
        raise _unsound() from None


def _unsound() -> Unimportable:
    remedy = "Open it in a spreadsheet, save it again as .xlsx, or as CSV UTF-8, and send that."
    return Unimportable("unreadable-workbook", "The workbook cannot be read", remedy)


def _unsafe(what: str) -> Unimportable:
    remedy = "Copy the rows into a new workbook, or save the sheet as CSV UTF-8, and send that."
    return Unimportable("unsafe-workbook", f"The workbook is refused: {what}", remedy)


def _check_zip(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_sizes(entries)
            tags = sum(_tags(archive, entry) for entry in entries)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError, ValueError, zlib.error):
        raise Unimportable(
            "not-a-workbook",
            "This is no XLSX workbook, or it is cut off",
            "Save the sheet as .xlsx and send the whole file; a CSV is sent as CSV.",
        ) from None
    if tags > MAX_TAGS:
        raise _unsafe("it holds too many elements")


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise _unsafe("it has too many parts")
    # A reader stops at the size that is declared here, so that these are bounds and not promises.
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise _unsafe(f"it unpacks to more than {MAX_UNPACKED_BYTES // 1024 // 1024} MB")
    if any(entry.file_size > max(_SMALL_BYTES, MAX_RATIO * entry.compress_size) for entry in entries):
        raise _unsafe("it is packed too tightly")
    if any(entry.flag_bits & 1 for entry in entries):
        raise _unsafe("it is encrypted")


def _tags(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Elements of one part, at most; reading it to its end also checks its sum."""
    count, tail, xml = 0, b"", _XML.search(entry.filename) is not None
    with archive.open(entry) as part:
        while piece := part.read(_PIECE_BYTES):
            count += piece.count(b"<")
            if xml and b"<!doctype" in (tail + piece).replace(b"\0", b"").lower():
                raise _unsafe("it declares a document type")
            tail = piece[-32:]
    return count if xml else 0


def _parsed(data: bytes) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Numbers and cells of the rows that are there, in growing order."""
    book: Any = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
    sheet = book.worksheets[0]
    last = 0
    with sheet._get_source() as source:
        parser = WorkSheetParser(
            source,
            sheet._shared_strings,
            data_only=False,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        for element in _row_elements(source):
            number, cells = parser.parse_row(element)
            parser.row_dimensions.clear()
            if not last < number <= _LAST_ROW:
                raise _unsound()
            last = number
            yield number, cells


def _row_elements(source: IO[bytes]) -> Iterator[Any]:
    """The sheet's rows, each built when it is met: neither a sheet nor what is around its rows is ever in memory."""
    rows = _Rows()
    parser = XMLParser(target=rows)
    while not rows.ended:
        piece = source.read(_PIECE_BYTES)
        parser.feed(piece) if piece else parser.close()
        yield from rows.built
        rows.built.clear()


class _Rows:
    """What the XML parser of a sheet tells its findings to."""

    def __init__(self) -> None:
        self.built: list[Element] = []
        self.ended = False
        self._depth = 0
        self._row: TreeBuilder | None = None
        self._elements = 0

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _unsafe("it declares a document type")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if tag == ROW_TAG and self._depth == _ROW_DEPTH:
            self._row, self._elements = TreeBuilder(), 0
        if self._row is not None:
            self._elements += 1
            if self._elements > MAX_ROW_ELEMENTS:
                raise _unsafe("a row holds too many elements")
            self._row.start(tag, attributes)

    def end(self, tag: str) -> None:
        if self._row is not None:
            self._row.end(tag)
            if self._depth == _ROW_DEPTH:
                self.built.append(self._row.close())
                self._row = None
        self._depth -= 1
        self.ended = self.ended or tag == DATA_TAG

    def data(self, text: str) -> None:
        if self._row is not None:
            self._row.data(text)

    def close(self) -> None:
        self.ended = True


def _headings(cells: list[dict[str, Any]]) -> list[str]:
    """Texts by column, blank where there is none. A column far out counts as too many, without a list up to it."""
    width = min(max(cell["column"] for cell in cells), 1000)
    headings = [""] * width
    for cell in cells:
        if cell["column"] <= width and cell["value"] is not None:
            headings[cell["column"] - 1] = str(cell["value"])
    while headings and not headings[-1].strip():
        headings.pop()
    return headings


def _cells(number: int, cells: list[dict[str, Any]], fields: list[str | None]) -> Iterator[Cell]:
    for cell in cells:
        index, value = cell["column"] - 1, cell["value"]
        place = f"cell {get_column_letter(index + 1)}{number}"
        field = fields[index] if index < len(fields) else None
        if field == PASSED_OVER:
            continue
        wrong = _wrong(field or "", place, cell["data_type"], value)
        if wrong is not None:
            yield Cell(field, place, "", wrong)
        else:
            yield from cells_of([(index, place, cell_text(value))], fields)


def _wrong(field: str, place: str, data_type: str, value: object) -> RowProblem | None:
    if data_type == "f":
        remedy = "Copy the cells and paste them as values, then send the workbook again."
        return {"field": field, "problem": f"{place} is a formula", "remedy": remedy}
    if data_type == "e":
        return {"field": field, "problem": f"{place} holds a spreadsheet error", "remedy": "Correct the cell."}
    if not isinstance(value, str | int | float | datetime | date | None):
        return {"field": field, "problem": f"{place} is a time or duration", "remedy": "Format the cell as text."}
    return None


def cell_text(value: str | int | float | datetime | date | None) -> str:
    """A cell's value as the text a person would have typed; numbers with the 15 digits a spreadsheet has."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(f"{value:.15g}"))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(timespec="seconds")
    return value if isinstance(value, str) else str(value)
