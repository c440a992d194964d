"""CSV, XLSX or JSON lines to numbered rows of text cells. Pure, and lazy: a row at a time.

Every value becomes text, so that a row means the same in all three formats: numbers as they are written, dates as
YYYY-MM-DD, booleans as true or false.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Final

from services.kit.imports.files.columns import Columns
from services.kit.imports.files.csv_file import open_csv
from services.kit.imports.files.encodings import UTF16_MARKS
from services.kit.imports.files.json_lines import open_json_lines
from services.kit.imports.files.problems import Text, Unimportable
from services.kit.imports.files.rows import ReadRow
from services.kit.imports.files.table import Table
from services.kit.imports.files.xlsx.workbook import open_workbook

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
        names, types = f".{', .'.join(SUFFIXES)}", ", ".join(MEDIA_TYPES)
        remedy = Text(
            f"请发送文件名以 {names} 结尾的文件。",
            f"Send a file whose name ends in {names}, or a body with one of the content types {types}.",
        )
        raise Unimportable(
            "unknown-format", Text("不支持这种格式。", "This format cannot be imported."), remedy, status=415
        )
    return found


def open_file(data: bytes, kind: Format, columns: Columns) -> Table:
    """The file's headings, and its rows that are not empty, in order, numbered as its own program does.

    Raises `Unimportable` for a fault of the whole file, here or at a later row.
    """
    _check_content(data, kind)
    table = _OPENERS[kind](data, columns)
    return replace(table, rows=_bounded(table.rows))


def _bounded(rows: Iterator[ReadRow]) -> Iterator[ReadRow]:
    count = 0
    for row in rows:
        count += 1
        if count > MAX_ROWS:
            remedy = Text(
                f"请拆分，每个文件最多 {MAX_ROWS} 行。", f"Split it into files of at most {MAX_ROWS} rows each."
            )
            raise Unimportable("too-many-rows", Text("行数过多。", "The file has too many rows."), remedy, status=413)
        yield row
    if count == 0:
        remedy = Text("列名下面至少要有一行。", "Send at least one row below the headings.")
        raise Unimportable("no-rows", Text("文件里没有数据行。", "The file has no rows."), remedy)


def _check_content(data: bytes, kind: Format) -> None:
    if len(data) > MAX_FILE_BYTES:
        size = f"{MAX_FILE_BYTES // 1024 // 1024} MB"
        remedy = Text(f"请拆分，每个文件最多 {size}。", f"Split it: a file may have {size}.")
        raise Unimportable("too-large", Text("文件过大。", "The file is too large."), remedy, status=413)
    if not data.strip():
        remedy = Text("请选择正确的文件后再发送。", "Choose the right file and send it again.")
        raise Unimportable("empty-file", Text("文件是空的。", "The file is empty."), remedy)
    if data.startswith(_OLE):
        title = Text("这是旧的 .xls，或带密码的工作簿。", "This is an old .xls or a workbook with a password.")
        remedy = Text(
            "请另存为不带密码的 .xlsx，或“CSV UTF-8”后再发送。",
            "Save the workbook as .xlsx without a password, or as CSV UTF-8, and send that.",
        )
        raise Unimportable("old-or-locked-workbook", title, remedy)
    if kind is not Format.XLSX:
        _check_text(data)


def _check_text(data: bytes) -> None:
    if data.startswith(_ZIP):
        title = Text(
            "这是 XLSX 工作簿或其他压缩文件，只是改了名。",
            "This is an XLSX workbook or another zip under another name.",
        )
        remedy = Text(
            "请以 .xlsx 为文件名发送，或另存为“CSV UTF-8”。",
            "Send it as a file whose name ends in .xlsx, or with that content type; or save it as CSV UTF-8.",
        )
        raise Unimportable("format-mismatch", title, remedy)
    if b"\0" in data and not data.startswith(UTF16_MARKS):
        title = Text(
            "文件含有 NUL 字节：不是文本，或是没有标记的 UTF-16。",
            "The file contains NUL bytes: it is not text, or UTF-16 without its mark.",
        )
        remedy = Text("请另存为“CSV UTF-8”后再发送。", "Save it as “CSV UTF-8” (or JSON lines in UTF-8) and send that.")
        raise Unimportable("not-text", title, remedy)


_OPENERS: Final = {Format.CSV: open_csv, Format.JSONL: open_json_lines, Format.XLSX: open_workbook}
