"""The rejected rows of a job as CSV, to be corrected in a spreadsheet and uploaded again."""

import csv
import io
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.kit.imports import job_store
from services.kit.imports.files.columns import ADDED, ORIGINAL, Columns
from services.kit.imports.row_store import rejected_rows
from services.kit.imports.sources.source import Source

_ROWS_AT_ONCE: Final = 1_000
_DANGEROUS: Final = re.compile(r"[\t\r\n\0]|\s*[=+\-@＝＋－＠]")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_NOT_TEXT: Final = re.compile(
    r"\s*(?:[0-9.'+-]|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-/. ]?[0-9]|true$|false$)",
    re.IGNORECASE,
)


def quoted(text: str) -> str:
    """`text` with an apostrophe before what a spreadsheet would take for a formula; numbers stay as they are."""
    return f"'{text}" if _DANGEROUS.match(text) and not _NUMBER.fullmatch(text) else text


def as_text(text: str) -> str:
    """An id with an apostrophe before what a spreadsheet would take for a number or a date; an import drops it."""
    return f"'{text}" if _NOT_TEXT.match(text) else quoted(text)


async def rejected_csv(
    pool: "asyncpg.Pool[Any]", job_id: UUID, columns: Columns, source: Source | None = None
) -> AsyncIterator[bytes]:
    """CSV in UTF-8 with the byte order mark Excel needs: the row's columns, then its number, problems and remedies.

    Headings and values are those of the file, also where a source read them: what the source made of one column for
    another is made again of the corrected one. An import ignores the three added columns.
    """
    async with pool.acquire() as connection:
        headings = await job_store.headings_of(connection, job_id)
    cell = {name: as_text if kind.identifies else quoted for name, kind in columns.kinds.items()}
    others = [name for name in headings if name not in cell]
    derived = {name for name in cell if headings.get(name) in [headings[other] for other in others]}
    kinds = {} if source is None else source.kinds
    cell = {name: safe for name, safe in cell.items() if name not in derived}
    cell |= {name: quoted if name in kinds and not kinds[name].identifies else as_text for name in others}
    yield b"\xef\xbb\xbf" + _lines([[*(quoted(headings.get(name, name)) for name in cell), *ADDED]])
    after = 0
    while True:
        async with pool.acquire() as connection:
            rows = await rejected_rows(connection, job_id, after=after, limit=_ROWS_AT_ONCE)
        if not rows:
            return
        yield _lines(
            [
                [
                    *(safe(_of_file(cells, name, headings)) for name, safe in cell.items()),
                    str(number),
                    quoted(" ".join(each["problem"] for each in problems)),
                    quoted(" ".join(dict.fromkeys(each["remedy"] for each in problems))),
                ]
                for number, cells, problems in rows
            ]
        )
        after = rows[-1][0]


def _of_file(cells: Mapping[str, str], name: str, headings: Mapping[str, str]) -> str:
    return cells.get(ORIGINAL + name) or (cells.get(name, "") if name in headings or not headings else "")


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
