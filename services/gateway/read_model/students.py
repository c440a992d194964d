"""Students in the published read model, by a role that may only SELECT."""

from collections import OrderedDict
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import structlog

from services.gateway.read_model.student_rows import Row, StudentRows
from services.gateway.read_model.student_statements import STUDENTS, STUDENTS_WITHOUT_MORE
from services.gateway.read_model.types import ReadModelUnavailable, StudentSnapshot
from services.gateway.timeouts import bounded
from services.kit.postgres.coalescing import CoalescedReads
from services.kit.postgres.pool import DATABASE_ERRORS

_REMEMBERED: Final = 20_000
"""Students with more than a case and statuses; the least recently read go first."""

_log = structlog.get_logger(__name__)


class ReadModelError(Exception):
    """`since` is the first failure after the last answer."""

    def __init__(self, since: datetime) -> None:
        super().__init__("the read model cannot be read")
        self.since = since


class ReadModel:
    """The published views, and since when they do not answer."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._reads = CoalescedReads(self.rows_of_many)
        self._with_more: OrderedDict[str, None] = OrderedDict()
        """Students asked for by the whole statement at once. Only a guess: either statement gives the same rows."""
        self.away_since: datetime | None = None

    async def of(self, student_id: str) -> StudentSnapshot | ReadModelUnavailable:
        try:
            return (await self.rows_of(student_id)).snapshot()
        except ReadModelError as error:
            return ReadModelUnavailable(error.since)

    async def rows_of(self, student_id: str) -> StudentRows:
        """Shares a statement with concurrent callers. Raises `ReadModelError`."""
        try:
            return await self._reads.get(student_id) or StudentRows()
        except TimeoutError as error:
            # Behind statements that do not end.
            raise self._unavailable(error) from error

    async def many(self, student_ids: Collection[str]) -> dict[str, StudentSnapshot]:
        """Raises `ReadModelError`."""
        return {number: rows.snapshot() for number, rows in (await self.rows_of_many(student_ids)).items()}

    async def rows_of_many(self, student_ids: Collection[str]) -> dict[str, StudentRows]:
        """Raises `ReadModelError`."""
        try:
            rows = await bounded(self._fetch(list(student_ids)))
        except DATABASE_ERRORS as error:
            raise self._unavailable(error) from error
        self.away_since = None
        return _by_student(rows)

    def _unavailable(self, error: Exception) -> ReadModelError:
        # Whatever the error is: the student sees an outage, the operator its type.
        if self.away_since is None:
            self.away_since = datetime.now(UTC)
            _log.warning("read_model.became_unavailable", error=type(error).__name__)
        return ReadModelError(self.away_since)

    async def probe(self) -> str | None:
        await self.rows_of_many(())
        return None

    async def _fetch(self, student_ids: list[str]) -> list[asyncpg.Record]:
        """All rows of a student are of one statement, so of one snapshot."""
        others = [one for one in student_ids if one not in self._with_more]
        # The probe asks for nobody.
        asks = bool(others) or not student_ids
        async with self._pool.acquire(timeout=2) as connection:
            rows = await connection.fetch(STUDENTS_WITHOUT_MORE, others) if asks else []
            if len(rows) == len(student_ids):
                return rows
            found = {row["student_id"] for row in rows}
            rest = [one for one in student_ids if one not in found]
            self._remember(rest)
            return [*rows, *await connection.fetch(STUDENTS, rest)]

    def _remember(self, student_ids: Collection[str]) -> None:
        for one in student_ids:
            self._with_more[one] = None
            self._with_more.move_to_end(one)
        while len(self._with_more) > _REMEMBERED:
            self._with_more.popitem(last=False)


def _by_student(rows: Collection[Row]) -> dict[str, StudentRows]:
    found: dict[str, StudentRows] = {}
    former: dict[str, list[Row]] = {}
    for row in rows:
        if row["joined_to"] is None:
            found[row["student_id"]] = StudentRows(row)
        else:
            former.setdefault(row["joined_to"], []).append(row)
    for student_id, of_person in former.items():
        found[student_id] = StudentRows(found[student_id].own, tuple(of_person))
    return found
