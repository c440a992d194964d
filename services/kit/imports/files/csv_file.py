"""CSV in UTF-8 or GB18030, with comma, semicolon or tab, to numbered rows. Pure, and lazy: a row at a time."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Final

from services.kit.imports.files.columns import Columns, ReadRow, Unimportable, cells_of, row_of


def csv_rows(data: bytes, columns: Columns) -> Iterator[ReadRow]:
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
    """`utf-8` or `gb18030`. Raises `Unimportable` for bytes that are neither, and for damaged UTF-8.

    GB18030 is what a Chinese Excel saves as plain "CSV". Almost any bytes decode in it, so that text which is mostly
    UTF-8 is refused rather than decoded into other characters.
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
