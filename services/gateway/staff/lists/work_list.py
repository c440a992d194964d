"""Who is open at a department, in the published views: by filter, in an order, a page after a key."""

import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlencode

import asyncpg

from services.gateway.timeouts import bounded

PAGE: Final = 50
MAX_COUNT: Final = 10_000
MAX_HITS: Final = 30
_CHOICES_S: Final = 60.0
_EXPORT_PAGE: Final = 2_000
_LAST: Final = "\U0010ffff"
Sort = Literal["since", "number"]
Commented = Literal["", "open"]

_COLUMNS: Final = "student_id, open_codes, open_since, name, college, major, cohort"
_OPEN: Final = "SELECT * FROM published.open_status_v1 WHERE department = $1"
# A college's students one by one: bounded by the college, where looking through all who are open is not.
_OF_COLLEGE: Final = """
SELECT open.* FROM (SELECT student_id FROM published.roster_v1 WHERE college = ${college} OFFSET 0) AS named
CROSS JOIN LATERAL ({open} AND student_id = named.student_id LIMIT 1) AS open"""
_AT_FIRST: Final = 2_000
"""So many of the list are looked through for a college before its students are: it is less where they fill a page."""
_ORDER: Final[dict[Sort, str]] = {"since": "open_since, student_id", "number": "student_id"}
_AFTER: Final[dict[Sort, str]] = {"since": "(open_since, student_id) > (${0}, ${1})", "number": "student_id > ${0}"}


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty: any. `reason` is `check:code`. `comment`: those alone whose comment is open, whom the reader is given."""

    college: str = ""
    cohort: str = ""
    reason: str = ""
    sort: Sort = "since"
    comment: Commented = ""

    def named(self) -> dict[str, str]:
        """Whom is chosen, without the order."""
        return {"college": self.college, "cohort": self.cohort, "reason": self.reason, "comment": self.comment}

    @property
    def query(self) -> str:
        """Names no student."""
        return urlencode({**self.named(), "sort": self.sort})


@dataclass(frozen=True, slots=True)
class After:
    """The last row of the page before."""

    student_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class OpenStudent:
    """`codes`: `check:code`."""

    student_id: str
    codes: tuple[str, ...]
    since: datetime
    name: str
    college: str
    major: str
    cohort: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be filtered by."""

    colleges: tuple[str, ...]
    cohorts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    student_id: str
    name: str
    college: str
    major: str


class WorkListReader:
    """Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._choices: dict[str, tuple[float, Choices]] = {}

    async def page(
        self,
        department: str,
        filters: Filters,
        after: After | None = None,
        limit: int = PAGE,
        *,
        commented: Collection[str] = (),
    ) -> tuple[tuple[OpenStudent, ...], bool]:
        """And whether there are more. `commented`: whose comment is open."""
        text, values = _open(department, filters, commented)
        order = f"ORDER BY {_ORDER[filters.sort]}"
        behind = ""
        if after is not None:
            keys = [after.since, after.student_id] if filters.sort == "since" else [after.student_id]
            behind = f"AND {_AFTER[filters.sort].format(*range(len(values) + 1, len(values) + 1 + len(keys)))}"
            values += keys
        found = [f"{text} {behind}"]
        if filters.college:
            values.append(filters.college)
            at_first = f"SELECT * FROM ({text} {behind} {order} LIMIT {_AT_FIRST}) AS open"
            found = [
                f"{at_first} WHERE college = ${len(values)}",
                _OF_COLLEGE.format(college=len(values), open=f"{text} {behind}"),
            ]
        rows: list[asyncpg.Record] = []
        for query in found:
            statement = f"SELECT {_COLUMNS} FROM ({query}) AS found {order} LIMIT {limit + 1}"
            rows = await bounded(self._pool.fetch(statement, *values))
            if len(rows) > limit:
                break
        return tuple(map(_student, rows[:limit])), len(rows) > limit

    async def count(self, department: str, filters: Filters, *, commented: Collection[str] = ()) -> int:
        """At most `MAX_COUNT`."""
        found, values = _open(department, filters, commented)
        if filters.college:
            values.append(filters.college)
            found = _OF_COLLEGE.format(college=len(values), open=found)
        statement = f"SELECT count(*) FROM (SELECT FROM ({found}) AS found LIMIT {MAX_COUNT}) AS counted"
        return int(await bounded(self._pool.fetchval(statement, *values)))

    async def everybody(
        self, department: str, filters: Filters, *, commented: Collection[str] = ()
    ) -> AsyncIterator[OpenStudent]:
        """Page after page: a row that changes meanwhile may be missing or old."""
        after: After | None = None
        more = True
        while more:
            rows, more = await self.page(department, filters, after, _EXPORT_PAGE, commented=commented)
            for row in rows:
                yield row
            if rows:
                after = After(rows[-1].student_id, rows[-1].since)

    async def choices(self, department: str) -> Choices:
        """Of a minute ago at most."""
        read_at, choices = self._choices.get(department, (float("-inf"), Choices((), ())))
        if time.monotonic() - read_at > _CHOICES_S:
            rows = await bounded(
                self._pool.fetch(f"SELECT DISTINCT college, cohort FROM ({_OPEN}) AS open", department)
            )
            colleges = {row["college"] for row in rows} - {""}
            cohorts = {row["cohort"] or "" for row in rows} - {""}
            choices = Choices(tuple(sorted(colleges)), tuple(sorted(cohorts)))
            self._choices[department] = time.monotonic(), choices
        return choices

    async def names(self, student_ids: Sequence[str]) -> dict[str, str]:
        """Of those on the roster."""
        statement = "SELECT student_id, name FROM published.case_v1 WHERE student_id = any($1::text[])"
        rows = await bounded(self._pool.fetch(statement, list(student_ids)))
        return {row["student_id"]: row["name"] for row in rows}

    async def named(self, beginning: str) -> tuple[tuple[Hit, ...], bool]:
        """Students on the roster whose name begins so, at most `MAX_HITS`, and whether there are more."""
        # By bytes, as the index is.
        rows = await bounded(
            self._pool.fetch(
                """
                SELECT student_id, name, college, major FROM published.case_v1
                WHERE name ~>=~ $1 AND name ~<~ $2 AND state <> 'closed' ORDER BY name, student_id LIMIT $3
                """,
                beginning,
                beginning + _LAST,
                MAX_HITS + 1,
            )
        )
        hits = tuple(Hit(row["student_id"], row["name"], row["college"], row["major"]) for row in rows[:MAX_HITS])
        return hits, len(rows) > MAX_HITS


def _open(department: str, filters: Filters, commented: Collection[str]) -> tuple[str, list[Any]]:
    """A query of whom all filters but the college choose, to which conditions can be added, and its values."""
    text, values = _OPEN, list[Any]([department])
    for value, condition in (
        (filters.cohort, "cohort = ${}"),
        # An array is made of the few rows whose text has it.
        (filters.reason, "position(${0} IN open_text) > 0 AND ${0} = any(open_codes)"),
        (list(commented) if filters.comment else "", "student_id = any(${}::text[])"),
    ):
        if value != "":
            values.append(value)
            text += f" AND {condition.format(len(values))}"
    return text, values


def _student(row: asyncpg.Record) -> OpenStudent:
    return OpenStudent(
        row["student_id"],
        tuple(row["open_codes"]),
        row["open_since"],
        row["name"],
        row["college"],
        row["major"],
        row["cohort"] or "",
    )
