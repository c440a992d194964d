"""CSV, XLSX or JSON lines to numbered rows of text cells. Pure, and lazy: a row at a time.

Every value becomes text, so that a row means the same in all three formats: numbers as they are written, dates as
YYYY-MM-DD, booleans as true or false.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from services.kit.imports.files.columns import Columns, ReadRow, Unimportable
from services.kit.imports.files.csv_file import csv_rows
from services.kit.imports.files.json_lines import json_rows
from services.kit.imports.files.xlsx import sheet_rows

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
    """The format by the filename's suffix, then by the media type: browsers send Excel's media type with a CSV."""
    ending = (filename or "").rpartition(".")[2].lower()
    named = (media_type or "").partition(";")[0].strip().lower()
    found = SUFFIXES.get(ending) or MEDIA_TYPES.get(named)
    if found is None:
        remedy = (
            f"Send a file whose name ends in .{', .'.join(SUFFIXES)}, or a body with one of the content types "
            f"{', '.join(MEDIA_TYPES)}."
        )
        raise Unimportable("unknown-format", "This format cannot be imported", remedy, status=415)
    return found


def read_rows(data: bytes, kind: Format, columns: Columns) -> Iterator[ReadRow]:
    """The rows that are not empty, in order, numbered as the file's own program does; the headings are row 1.

    Raises `Unimportable` for a fault of the whole file, before the first row or at a later one.
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
        raise Unimportable("no-rows", "The file has no rows", "Send at least one row below the headings.")


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
        raise Unimportable("format-mismatch", "This is an XLSX workbook or another zip under another name", remedy)
    if kind is not Format.XLSX and b"\0" in data:
        remedy = "Save it as “CSV UTF-8” (or JSON lines in UTF-8) and send that."
        raise Unimportable("not-text", "The file contains NUL bytes: it is UTF-16 or not text", remedy)


_READERS: Final = {Format.CSV: csv_rows, Format.JSONL: json_rows, Format.XLSX: sheet_rows}
