"""The rejected rows as a CSV that can be opened, corrected and sent again."""

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.kit.imports import job_store
from services.kit.imports.columns import ADDED

_ROWS_AT_ONCE: Final = 1_000
_DANGEROUS: Final = re.compile(r"[\t\r\n\0]|\s*[=+\-@＝＋－＠]")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def quoted(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe before what begins like one, numbers excepted."""
    return f"'{text}" if _DANGEROUS.match(text) and not _NUMBER.fullmatch(text) else text


async def rejected_csv(pool: "asyncpg.Pool[Any]", job_id: UUID, fields: Sequence[str]) -> AsyncIterator[bytes]:
    """CSV in UTF-8 with a byte order mark (Excel needs it): the row's own columns, then its number, problem, remedy.

    The import passes over the three added columns.
    """
    yield b"\xef\xbb\xbf" + _lines([[*fields, *ADDED]])
    after = 0
    while True:
        async with pool.acquire() as connection:
            rows = await job_store.rejected(connection, job_id, after=after, limit=_ROWS_AT_ONCE)
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
