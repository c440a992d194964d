"""A file of rows, read: CSV, XLSX or JSON lines to numbered rows of text cells. Pure, and lazy: a row at a time.

Every value becomes text, whatever the format, so that a row means the same in all three: numbers as they are written
(a JSON 72.40 never passes through floating point), dates as YYYY-MM-DD, truth as true or false.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

from services.kit.imports.columns import Cell, Columns, ReadRow, RowProblem, Unimportable, cells_of, row_of
from services.kit.imports.xlsx import sheet_rows

MAX_FILE_BYTES: Final = 20 * 1024 * 1024
MAX_ROWS: Final = 200_000
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0"


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"


MEDIA_TYPES: Final = {
    "text/csv": Format.CSV,
    "application/csv": Format.CSV,
    "text/tab-separated-values": Format.CSV,
    "application/x-ndjson": Format.JSONL,
    "application/ndjson": Format.JSONL,
    "application/jsonl": Format.JSONL,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": Format.XLSX,
}
SUFFIXES: Final = {
    "csv": Format.CSV,
    "tsv": Format.CSV,
    "jsonl": Format.JSONL,
    "ndjson": Format.JSONL,
    "xlsx": Format.XLSX,
}


def format_of(media_type: str | None, filename: str | None) -> Format:
    """The format a file is called. The name's ending goes first: browsers call a CSV what the desk's Excel calls it."""
    ending = (filename or "").rpartition(".")[2].lower()
    named = (media_type or "").partition(";")[0].strip().lower()
    found = SUFFIXES.get(ending) or MEDIA_TYPES.get(named)
    if found is None:
        remedy = (
            f"Send a file whose name ends in .{', .'.join(SUFFIXES)}, or a body with one of the content types "
            f"{', '.join(MEDIA_TYPES)}."
        )
        raise Unimportable("unknown-format", "This is no format of an import", remedy, status=415)
    return found


def read_rows(data: bytes, kind: Format, columns: Columns) -> Iterator[ReadRow]:
    """The rows of a file that are not empty, in order, with growing numbers.

    CSV: UTF-8 with or without a byte order mark, else GB18030; comma, semicolon or tab; the first row is the heading
    and number 1. XLSX: the first sheet, numbered as shown. JSON lines: numbered by line; UTF-8.
    Raises `Unimportable`, before the first row or at any later one, for what spoils the file as a whole.
    """
    _check_content(data, kind)
    count = 0
    for row in _READERS[kind](data, columns):
        count += 1
        if count > MAX_ROWS:
            remedy = f"Split it into files of at most {MAX_ROWS} rows each."
            raise Unimportable("too-many-rows", "The file has too many rows", remedy, status=413)
        yield row
    if count == 0:
        raise Unimportable("no-rows", "There is no row in the file", "Send at least one row below the headings.")


def _check_content(data: bytes, kind: Format) -> None:
    if len(data) > MAX_FILE_BYTES:
        remedy = f"Split it: a file may have {MAX_FILE_BYTES // 1024 // 1024} MB."
        raise Unimportable("too-large", "The file is too large", remedy, status=413)
    if not data.strip():
        raise Unimportable("empty-file", "The file is empty", "Choose the right file and send it again.")
    if data.startswith(_OLE):
        remedy = "Save the workbook as .xlsx without a password, or as CSV UTF-8, and send that."
        raise Unimportable("old-or-locked-workbook", "This is an old .xls or a workbook with a password", remedy)
    if kind is not Format.XLSX and data.startswith(_ZIP):
        remedy = "Send it as a file whose name ends in .xlsx, or with that content type; or save it as CSV UTF-8."
        raise Unimportable("format-mismatch", "This is an XLSX workbook or another zip, called otherwise", remedy)
    if kind is not Format.XLSX and b"\0" in data:
        remedy = "Save it as “CSV UTF-8” (or JSON lines in UTF-8) and send that."
        raise Unimportable("not-text", "The file holds NUL bytes: it is UTF-16 or no text at all", remedy)


def _csv_rows(data: bytes, columns: Columns) -> Iterator[ReadRow]:
    text = _decoded(data)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    fields: list[str | None] | None = None
    try:
        for number, record in enumerate(reader, 1):
            if fields is not None:
                row = row_of(
                    number, cells_of(((at, f"column {at + 1}", text) for at, text in enumerate(record)), fields)
                )
                if row is not None:
                    yield row
            elif any(each.strip() for each in record):
                fields = columns.match(record)
    except csv.Error:
        remedy = 'Look for a quotation mark " that is not closed or not doubled, and send the file again.'
        title = f"The CSV cannot be read from line {reader.line_num} on"
        raise Unimportable("malformed-csv", title, remedy) from None


def encoding_of(data: bytes) -> str:
    """`utf-8` or `gb18030`. Raises `Unimportable` for bytes that are neither, and for UTF-8 that is only broken.

    GB18030 is what Excel in Chinese saves as plain "CSV". Almost any bytes decode in it, so text that is UTF-8 for the
    most part is refused rather than read as other characters.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        lenient = data.decode("utf-8", "replace")
        if len(_HAN.findall(lenient)) <= 4 * lenient.count("\ufffd"):
            try:
                if not _PRIVATE.search(data.decode("gb18030")):
                    return "gb18030"
            except UnicodeDecodeError:
                pass
        remedy = "Save it as “CSV UTF-8” (JSON lines: UTF-8) and send that."
        raise Unimportable("wrong-encoding", f"Line {line} is neither UTF-8 nor GB18030", remedy) from None
    return "utf-8"


_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_PRIVATE: Final = re.compile(r"[\ue000-\uf8ff\U000f0000-\U0010ffff]")


def _decoded(data: bytes) -> str:
    return data.decode(encoding_of(data)).removeprefix("\ufeff")


def _delimiter(text: str) -> str:
    heading = re.match(r"\s*([^\r\n]*)", text)
    unquoted = re.sub(r'"[^"]*"', "", heading[1] if heading else "")
    return max(",;\t", key=unquoted.count)


def _json_rows(data: bytes, columns: Columns) -> Iterator[ReadRow]:
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
            pairs = json.loads(line, object_pairs_hook=_Pairs, parse_float=str, parse_int=str, parse_constant=_refused)
        except (ValueError, RecursionError):
            pairs = None
        if first and not isinstance(pairs, _Pairs):
            remedy = 'Write one object a line, {"student_id": …}, with no brackets or commas around the lines.'
            raise Unimportable("not-json-lines", f"Line {number} is no JSON object", remedy)
        first = False
        yield _json_row(number, pairs, columns)


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, so that a name given twice is noticed."""


def _refused(constant: str) -> str:
    raise ValueError("NaN and Infinity are no JSON")


def _json_row(number: int, pairs: object, columns: Columns) -> ReadRow:
    if not isinstance(pairs, _Pairs):
        problem = "the line is no JSON object"
        return ReadRow(number, {}, ({"field": "", "problem": problem, "remedy": 'Write {"student_id": …}.'},))
    cells = [_json_cell(at, name, value, columns) for at, (name, value) in enumerate(pairs, 1)]
    fields = [cell.field for cell in cells if cell.field is not None]
    twice = {field for field in fields if fields.count(field) > 1} if len(set(fields)) < len(fields) else ()
    cells += [Cell(name, name, "", _said_twice(name)) for name in twice]
    return row_of(number, cells) or ReadRow(number, {})


def _said_twice(name: str) -> RowProblem:
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
    return Cell(field, place, as_text(value))


def as_text(value: object) -> str:
    """A JSON value as a cell's text. Numbers come here as they were written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


_READERS: Final = {Format.CSV: _csv_rows, Format.JSONL: _json_rows, Format.XLSX: sheet_rows}
