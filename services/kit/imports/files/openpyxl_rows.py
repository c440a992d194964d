"""Single rows of the first sheet, parsed by openpyxl's internal row parser. The one place with its private names.

openpyxl's own iterator over a sheet trusts the size the file claims, drops what lies beyond it, fills every gap with
empty rows and holds a row of any width. The names below are private: `tests/unit/kit/imports/test_openpyxl.py` holds
them to the pinned version.
"""

import io
from collections.abc import Iterator
from typing import IO, Any, Final
from xml.etree.ElementTree import Element, TreeBuilder, XMLParser

import openpyxl
from openpyxl.worksheet._reader import DATA_TAG, ROW_TAG, WorkSheetParser

from services.kit.imports.files.xlsx_zip import unsafe, unsound

OPENPYXL_VERSION: Final = "3.1.5"
"""Of the private names used here."""
MAX_ROW_ELEMENTS: Final = 20_000
_ROW_DEPTH: Final = 3
"""worksheet, sheetData, row."""
_LAST_ROW: Final = 1_048_576
_CHUNK_BYTES: Final = 256 * 1024


def parsed_rows(data: bytes) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Numbers and cells of the rows in the file, in ascending order."""
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
                raise unsound()
            last = number
            yield number, cells


def _row_elements(source: IO[bytes]) -> Iterator[Any]:
    """The sheet's row elements, built one at a time: the sheet is never in memory as a whole."""
    rows = _Rows()
    parser = XMLParser(target=rows)
    while not rows.ended:
        chunk = source.read(_CHUNK_BYTES)
        parser.feed(chunk) if chunk else parser.close()
        yield from rows.built
        rows.built.clear()


class _Rows:
    """The XML parser's target: builds the elements of rows only."""

    def __init__(self) -> None:
        self.built: list[Element] = []
        self.ended = False
        self._depth = 0
        self._row: TreeBuilder | None = None
        self._elements = 0

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise unsafe("it declares a document type")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if tag == ROW_TAG and self._depth == _ROW_DEPTH:
            self._row, self._elements = TreeBuilder(), 0
        if self._row is not None:
            self._elements += 1
            if self._elements > MAX_ROW_ELEMENTS:
                raise unsafe("a row has too many elements")
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
