"""The rejected rows of a job as CSV, to be corrected and uploaded again."""

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.kit.imports.files.columns import ADDED
from services.kit.imports.row_store import rejected_rows

_ROWS_AT_ONCE: Final = 1_000
_DANGEROUS: Final = re.compile(r"[\t\r\n\0]|\s*[=+\-@＝＋－＠]")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def quoted(text: str) -> str:
    """`text` with an apostrophe before what a spreadsheet would take for a formula; numbers stay as they are."""
    return f"'{text}" if _DANGEROUS.match(text) and not _NUMBER.fullmatch(text) else text


async def rejected_csv(pool: "asyncpg.Pool[Any]", job_id: UUID, fields: Sequence[str]) -> AsyncIterator[bytes]:
    """CSV in UTF-8 with the byte order mark Excel needs: the row's columns, then its number, problems and remedies.

    An import ignores the three added columns.
    """
    yield b"\xef\xbb\xbf" + _lines([[*fields, *ADDED]])
    after = 0
    while True:
        async with pool.acquire() as connection:
            rows = await rejected_rows(connection, job_id, after=after, limit=_ROWS_AT_ONCE)
        if not rows:
            return
        yield _lines(
            [
                [
                    *(quoted(cells.get(name, "")) for name in fields),
                    str(number),
                    quoted("; ".join(f"{each['field']}: {each['problem']}".removeprefix(": ") for each in problems)),
                    quoted(" ".join(dict.fromkeys(each["remedy"] for each in problems))),
                ]
                for number, cells, problems in rows
            ]
        )
        after = rows[-1][0]


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
