"""The table of pages that were shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.gateway.shown.document import Kept, ShownPage, read_document
from services.gateway.timeouts import bounded
from services.kit.audit.log import FORGOTTEN
from services.kit.postgres.pool import Connection

MAX_HISTORY: Final = 2_000
# A process that does not know what it showed last writes the same page once more only if another came between. A page
# that waited while its student was forgotten is not written.
_WRITE: Final = f"""
INSERT INTO shown_page (student_id, language, first_shown_at, last_shown_at, digest, document)
SELECT student_id, language, at, at, digest, document
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bytea[], $5::bytea[], $6::boolean[])
     WITH ORDINALITY AS given (student_id, language, at, digest, document, resumed, number)
WHERE NOT (resumed AND digest IS NOT DISTINCT FROM (
    SELECT kept.digest FROM shown_page AS kept
    WHERE kept.student_id = given.student_id AND kept.language = given.language
    ORDER BY kept.first_shown_at DESC, kept.shown_id DESC LIMIT 1))
  AND NOT EXISTS (
    SELECT FROM audit.entry
    WHERE entry.student_id = given.student_id AND entry.outcome = '{FORGOTTEN}' AND entry.at >= given.at)
ORDER BY number
"""
_STILL: Final = """
UPDATE shown_page SET last_shown_at = greatest(last_shown_at, given.at)
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::timestamptz[]) AS given (student_id, language, digest, at)
WHERE shown_page.digest = given.digest AND shown_page.shown_id = (
    SELECT kept.shown_id FROM shown_page AS kept
    WHERE kept.student_id = given.student_id AND kept.language = given.language AND kept.first_shown_at <= given.at
    ORDER BY kept.first_shown_at DESC, kept.shown_id DESC LIMIT 1)
"""
_OTHERWISE: Final = """
SELECT number FROM unnest($1::text[], $2::text[], $3::bytea[], $4::timestamptz[])
     WITH ORDINALITY AS given (student_id, language, digest, at, number)
WHERE digest IS DISTINCT FROM (
    SELECT kept.digest FROM shown_page AS kept
    WHERE kept.student_id = given.student_id AND kept.language = given.language AND kept.first_shown_at <= given.at
    ORDER BY kept.first_shown_at DESC, kept.shown_id DESC LIMIT 1)
"""
_HISTORY: Final = """
SELECT language, first_shown_at, last_shown_at, document FROM (
    SELECT * FROM shown_page WHERE student_id = $1 ORDER BY first_shown_at DESC, shown_id DESC LIMIT $2
) AS newest ORDER BY first_shown_at, shown_id
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """`resumed`: this process does not know what the student was shown before."""

    student_id: str
    language: str
    at: datetime
    page: ShownPage
    resumed: bool


@dataclass(frozen=True, slots=True)
class Still:
    """The page was shown again."""

    student_id: str
    language: str
    digest: bytes
    at: datetime


class ShownHistory:
    """What operators read. Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def of(self, student_id: str) -> tuple[Kept, ...]:
        """Oldest first; of more than `MAX_HISTORY` the newest."""
        rows = await bounded(self._pool.fetch(_HISTORY, student_id, MAX_HISTORY))
        return tuple(
            Kept(row["language"], row["first_shown_at"], row["last_shown_at"], read_document(row["document"]))
            for row in rows
        )


async def write(connection: Connection, pages: Sequence[Shown]) -> None:
    if pages:
        await connection.execute(
            _WRITE,
            [one.student_id for one in pages],
            [one.language for one in pages],
            [one.at for one in pages],
            [one.page.digest for one in pages],
            [one.page.content for one in pages],
            [one.resumed for one in pages],
        )
        # Of a page that was there already: it is shown again.
        await still_shown(
            connection, [Still(one.student_id, one.language, one.page.digest, one.at) for one in pages if one.resumed]
        )


async def still_shown(connection: Connection, pages: Sequence[Still]) -> None:
    if pages:
        await connection.execute(
            _STILL,
            [one.student_id for one in pages],
            [one.language for one in pages],
            [one.digest for one in pages],
            [one.at for one in pages],
        )


async def shown_otherwise(connection: Connection, pages: Sequence[Shown]) -> list[Shown]:
    """Those before which another page was shown, by another process."""
    rows = await connection.fetch(
        _OTHERWISE,
        [one.student_id for one in pages],
        [one.language for one in pages],
        [one.page.digest for one in pages],
        [one.at for one in pages],
    )
    return [pages[row["number"] - 1] for row in rows]
