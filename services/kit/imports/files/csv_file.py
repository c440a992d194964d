"""CSV with comma, semicolon or tab to numbered rows. Pure, and lazy: a row at a time."""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from services.kit.imports.files.columns import Columns, Headings
from services.kit.imports.files.encodings import decoded
from services.kit.imports.files.problems import Text, Unimportable
from services.kit.imports.files.rows import ReadRow, cells_of, row_of
from services.kit.imports.files.table import Table


def open_csv(data: bytes, columns: Columns) -> Table:
    text, encoding = decoded(data)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    records = enumerate(reader, 1)
    with _well_formed(reader):
        first = next((record for _, record in records if any(each.strip() for each in record)), None)
    headings = columns.unnamed if first is None else columns.match(first)
    return Table(headings, _rows(reader, records, headings), encoding)


def _rows(reader: Any, records: Iterator[tuple[int, list[str]]], headings: Headings) -> Iterator[ReadRow]:
    places: list[Text] = []
    with _well_formed(reader):
        for number, record in records:
            while len(places) < len(record):
                places.append(Text(f"第 {len(places) + 1} 列", f"column {len(places) + 1}"))
            row = row_of(number, cells_of(zip(count(), places, record), headings), headings)
            if row is not None:
                yield row


@contextmanager
def _well_formed(reader: Any) -> Iterator[None]:
    try:
        yield
    except csv.Error:
        line = reader.line_num
        title = Text(f"CSV 从第 {line} 行起无法读取。", f"The CSV cannot be read from line {line} on.")
        remedy = Text(
            '请检查是否有未成对的引号 "，更正后再发送。',
            'Look for a quotation mark " that is not closed or not doubled, and send the file again.',
        )
        raise Unimportable("malformed-csv", title, remedy) from None


def _delimiter(text: str) -> str:
    heading = re.match(r"\s*([^\r\n]*)", text)
    unquoted = re.sub(r'"[^"]*"', "", heading[1] if heading else "")
    return max(",;\t", key=unquoted.count)
