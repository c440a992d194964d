"""Single rows of a sheet, parsed by openpyxl's internal row parser. The one place with its private names.

openpyxl's own iterator over a sheet trusts the size the file claims, drops what lies beyond it, fills every gap with
empty rows and holds a row of any width. The names below are private: `tests/unit/kit/imports/test_openpyxl.py` holds
them to the pinned version.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Final
from xml.etree.ElementTree import Element, TreeBuilder, XMLParser

import openpyxl
from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE
from openpyxl.worksheet._reader import COL_TAG, DATA_TAG, ROW_TAG, WorkSheetParser

from services.kit.imports.files.xlsx.zip_bounds import unsafe, unsound

OPENPYXL_VERSION: Final = "3.1.5"
"""Of the private names used here."""
MAX_ROW_ELEMENTS: Final = 20_000
_ROW_DEPTH: Final = 3
"""worksheet, sheetData, row."""
_LAST_ROW: Final = 1_048_576
_LAST_COLUMN: Final = 16_384
_CHUNK_BYTES: Final = 256 * 1024
_MERGE_TAG: Final = ROW_TAG.replace("}row", "}mergeCell")
_RANGE: Final = re.compile(r"\$?[A-Z]{1,3}\$?([0-9]{1,7})(?::\$?[A-Z]{1,3}\$?([0-9]{1,7}))?")


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """`hidden` by hand, by a filter or in a closed group."""

    number: int
    cells: list[dict[str, Any]]
    hidden: bool

    @property
    def has_values(self) -> bool:
        return any(cell["value"] is not None and str(cell["value"]).strip() for cell in self.cells)


class Workbook:
    """A workbook's sheets, in order, and what its styles say of a number."""

    def __init__(self, data: bytes) -> None:
        book: Any = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
        self._book = book
        self.epoch: datetime = book.epoch
        self.sheets = [Sheet(book, sheet) for sheet in book.worksheets]

    def number_format(self, style_id: int) -> str:
        number = self._book._cell_styles[style_id].numFmtId if style_id else 0
        if number < BUILTIN_FORMATS_MAX_SIZE:
            return str(BUILTIN_FORMATS.get(number, "unknown"))
        return str(self._book._number_formats[number - BUILTIN_FORMATS_MAX_SIZE])


class Sheet:
    """One sheet. Its hidden columns are known at its first row, its merged cells after its last one."""

    def __init__(self, book: Any, sheet: Any) -> None:
        self.title = str(sheet.title)
        self.hidden = sheet.sheet_state != "visible"
        self.hidden_columns: set[int] = set()
        self.lowest_merge: tuple[int, str] = (0, "")
        """Last row and range of the merged cells that reach furthest down."""
        self._book = book
        self._sheet = sheet

    def rows(self) -> Iterator[ParsedRow]:
        """The rows in the file, in ascending order."""
        book, last = self._book, 0
        with self._sheet._get_source() as source:
            parser = WorkSheetParser(
                source,
                self._sheet._shared_strings,
                data_only=False,
                epoch=book.epoch,
                date_formats=book._date_formats,
                timedelta_formats=book._timedelta_formats,
            )
            for element in self._row_elements(source):
                number, cells = parser.parse_row(element)
                hidden = False
                if parser.row_dimensions:
                    hidden = any(_hides(attributes, "ht") for attributes in parser.row_dimensions.values())
                    parser.row_dimensions.clear()
                if not last < number <= _LAST_ROW:
                    raise unsound()
                last = number
                yield ParsedRow(number, cells, hidden)

    def _row_elements(self, source: IO[bytes]) -> Iterator[Any]:
        """The sheet's row elements, built one at a time: the sheet is never in memory as a whole."""
        rows = _Rows(self)
        parser = XMLParser(target=rows)
        while not rows.ended:
            chunk = source.read(_CHUNK_BYTES)
            parser.feed(chunk) if chunk else parser.close()
            yield from rows.built
            rows.built.clear()

    def note(self, tag: str, attributes: dict[str, str]) -> None:
        """An element outside the rows."""
        if tag == COL_TAG and _hides(attributes, "width"):
            first, last = int(attributes["min"]), int(attributes["max"])
            self.hidden_columns.update(range(first, min(last, _LAST_COLUMN) + 1))
        if tag == _MERGE_TAG:
            found = _RANGE.fullmatch(attributes["ref"])
            if found is None:
                raise unsound()
            self.lowest_merge = max(self.lowest_merge, (int(found[2] or found[1]), attributes["ref"]))


def _hides(attributes: dict[str, str], size: str) -> bool:
    return attributes.get("hidden") in ("1", "true") or attributes.get(size) in ("0", "0.0")


class _Rows:
    """The XML parser's target: builds the elements of rows only."""

    def __init__(self, sheet: Sheet) -> None:
        self.built: list[Element] = []
        self.ended = False
        self._sheet = sheet
        self._depth = 0
        self._row: TreeBuilder | None = None
        self._elements = 0
        self._complete = False

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise unsafe("它声明了文档类型", "it declares a document type")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if tag == ROW_TAG and self._depth == _ROW_DEPTH:
            self._row, self._elements = TreeBuilder(), 0
        if self._row is not None:
            self._elements += 1
            if self._elements > MAX_ROW_ELEMENTS:
                raise unsafe("有一行的元素过多", "a row has too many elements")
            self._row.start(tag, attributes)
        else:
            self._sheet.note(tag, attributes)

    def end(self, tag: str) -> None:
        if self._row is not None:
            self._row.end(tag)
            if self._depth == _ROW_DEPTH:
                self.built.append(self._row.close())
                self._row = None
        self._depth -= 1
        self._complete = self._complete or tag == DATA_TAG

    def data(self, text: str) -> None:
        if self._row is not None:
            self._row.data(text)

    def close(self) -> None:
        if not self._complete:
            raise unsound()
        self.ended = True
