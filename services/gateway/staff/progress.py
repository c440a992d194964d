"""How far those who leave are: by college, by check, and student by student, in the published views."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlencode

import asyncpg

from services.gateway.timeouts import bounded
from services.kit.names import GRADUATE_SCHOOL, college_of_role

PAGE: Final = 50
_KEPT_S: Final = 20.0
_TIMEOUT_S: Final = 10.0
"""Of a count over everybody: 100,000 students take about a second."""
_EXPORT_PAGE: Final = 2_000
State = Literal["", "open", "completed"]

_CHOSEN: Final = "($1::text[] IS NULL OR college = any($1)) AND ($2 = '' OR cohort = $2)"
_COLLEGES: Final = f"""
SELECT college, count(*) AS students, count(*) FILTER (WHERE state = 'completed') AS submitted,
       count(*) FILTER (WHERE accepted_at >= $3) AS today
FROM published.case_progress_v1 WHERE {_CHOSEN} GROUP BY college ORDER BY college
"""
# A check may be open for several reasons.
_CHECKS: Final = f"""
SELECT department, "check", count(*) AS students, min(open_since) AS oldest,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY open_since) AS median
FROM (SELECT DISTINCT student_id, department, split_part(code, ':', 1) AS "check", open_since
      FROM published.open_status_v1 CROSS JOIN unnest(open_codes) AS code WHERE {_CHOSEN}) AS open
GROUP BY department, "check" ORDER BY count(*) DESC, department, "check"
"""
_STUDENTS: Final = f"""
SELECT student_id, name, college, major, cohort, state, accepted_at,
       ARRAY(SELECT department FROM published.open_status_v1 AS open WHERE open.student_id = found.student_id
             ORDER BY department) AS departments
FROM published.case_progress_v1 AS found
WHERE {_CHOSEN} AND ($3 = '' OR state = $3) AND student_id > $4 ORDER BY student_id LIMIT $5
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom somebody may see: the students of `colleges`, of all where it is None."""

    colleges: tuple[str, ...] | None

    def narrowed(self, college: str) -> "Scope":
        """To one of its colleges; to nobody by one that it has not."""
        if not college:
            return self
        return Scope((college,) if self.colleges is None or college in self.colleges else ())


def scope_of(roles: Sequence[str] | frozenset[str]) -> Scope | None:
    """None: nobody. Pure."""
    if GRADUATE_SCHOOL in roles:
        return Scope(None)
    colleges = tuple(sorted(college for role in roles if (college := college_of_role(role))))
    return Scope(colleges) if colleges else None


@dataclass(frozen=True, slots=True)
class CollegeProgress:
    """`submitted` of `students`, `today` of these."""

    college: str
    students: int
    submitted: int
    today: int


@dataclass(frozen=True, slots=True)
class OpenCheck:
    """`students` for whom it is open; `oldest` and `median`: since when."""

    department: str
    check: str
    students: int
    oldest: datetime
    median: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    colleges: tuple[CollegeProgress, ...]
    checks: tuple[OpenCheck, ...]
    """The one that keeps most is first."""

    @property
    def total(self) -> CollegeProgress:
        return CollegeProgress(
            "",
            sum(one.students for one in self.colleges),
            sum(one.submitted for one in self.colleges),
            sum(one.today for one in self.colleges),
        )


@dataclass(frozen=True, slots=True)
class Leaving:
    """`departments` that are open. `accepted_at`: None before the submission."""

    student_id: str
    name: str
    college: str
    major: str
    cohort: str
    state: str
    accepted_at: datetime | None
    departments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Empty: any."""

    college: str = ""
    cohort: str = ""
    state: State = ""

    def named(self) -> dict[str, str]:
        return {"college": self.college, "cohort": self.cohort, "state": self.state}

    @property
    def query(self) -> str:
        """Names no student."""
        return urlencode(self.named())


class ProgressReader:
    """Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._kept: dict[tuple[object, ...], tuple[float, Overview]] = {}
        self._cohorts: tuple[float, tuple[str, ...]] = (float("-inf"), ())

    async def overview(self, scope: Scope, cohort: str, today: datetime) -> Overview:
        """As of some seconds ago. `today`: its first instant."""
        key = (scope, cohort, today)
        read_at, known = self._kept.get(key, (float("-inf"), Overview((), ())))
        if time.monotonic() - read_at <= _KEPT_S:
            return known
        chosen = (None if scope.colleges is None else list(scope.colleges), cohort)
        colleges = await bounded(self._pool.fetch(_COLLEGES, *chosen, today), timeout_s=_TIMEOUT_S)
        checks = await bounded(self._pool.fetch(_CHECKS, *chosen), timeout_s=_TIMEOUT_S)
        overview = Overview(
            tuple(CollegeProgress(**row) for row in colleges), tuple(OpenCheck(**row) for row in checks)
        )
        now = time.monotonic()
        self._kept = {one: kept for one, kept in self._kept.items() if now - kept[0] <= _KEPT_S}
        self._kept[key] = now, overview
        return overview

    async def cohorts(self) -> tuple[str, ...]:
        """Newest first, of some seconds ago."""
        if time.monotonic() - self._cohorts[0] > _KEPT_S:
            found = await bounded(
                self._pool.fetch(
                    "SELECT DISTINCT cohort FROM published.case_progress_v1 WHERE cohort <> '' ORDER BY cohort DESC"
                ),
                timeout_s=_TIMEOUT_S,
            )
            self._cohorts = time.monotonic(), tuple(row["cohort"] for row in found)
        return self._cohorts[1]

    async def students(
        self, scope: Scope, chosen: Chosen, after: str = "", limit: int = PAGE
    ) -> tuple[tuple[Leaving, ...], bool]:
        """By number, and whether there are more."""
        within = scope.narrowed(chosen.college)
        rows = await bounded(
            self._pool.fetch(
                _STUDENTS,
                None if within.colleges is None else list(within.colleges),
                chosen.cohort,
                chosen.state,
                after,
                limit + 1,
            ),
            timeout_s=_TIMEOUT_S,
        )
        found = tuple(Leaving(**{**row, "departments": tuple(row["departments"])}) for row in rows[:limit])
        return found, len(rows) > limit

    async def within(self, scope: Scope, student_ids: Sequence[str]) -> tuple[str, ...]:
        """Those of them who are in it and leaving."""
        statement = """
        SELECT student_id FROM published.case_progress_v1
        WHERE student_id = any($1::text[]) AND state = 'open' AND ($2::text[] IS NULL OR college = any($2))
        ORDER BY student_id
        """
        colleges = None if scope.colleges is None else list(scope.colleges)
        rows = await bounded(self._pool.fetch(statement, list(student_ids), colleges))
        return tuple(row["student_id"] for row in rows)

    async def everybody(self, scope: Scope, chosen: Chosen) -> AsyncIterator[Leaving]:
        """Page after page: a row that changes meanwhile may be missing or old."""
        after, more = "", True
        while more:
            rows, more = await self.students(scope, chosen, after, _EXPORT_PAGE)
            for row in rows:
                yield row
            if rows:
                after = rows[-1].student_id
