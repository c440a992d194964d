"""Who is and was on the roster, in the published view: by filter, a page after a number, and by name."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from urllib.parse import urlencode

import asyncpg

from services.gateway.timeouts import bounded

PAGE: Final = 50
MAX_HITS: Final = 30
_CHOICES_S: Final = 60.0
_EXPORT_PAGE: Final = 2_000
_TIMEOUT_S: Final = 10.0
_LAST: Final = "\U0010ffff"
State = Literal["open", "completed", "not-served", "closed"]
STATES: Final[tuple[State, ...]] = get_args(State)
_COLUMNS: Final = (
    "student_id, name, college, major, grade, cohort, leave_category, state, joined_to, taken_off, changed_at"
)


@dataclass(frozen=True, slots=True)
class RosterFilters:
    """Empty: any."""

    college: str = ""
    cohort: str = ""
    state: State | Literal[""] = ""

    def named(self) -> dict[str, str]:
        return {"college": self.college, "cohort": self.cohort, "state": self.state}

    @property
    def query(self) -> str:
        """Names no student."""
        return urlencode(self.named())


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """`joined_to`: the person's current number, if this is a former one. `taken_off` after the completion."""

    student_id: str
    name: str
    college: str
    major: str
    grade: str
    cohort: str
    leave_category: str
    state: str
    joined_to: str
    taken_off: bool
    changed_at: datetime


class RosterReader:
    """Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._choices: tuple[float, tuple[tuple[str, ...], tuple[str, ...]]] = (float("-inf"), ((), ()))

    async def page(
        self, filters: RosterFilters, after: str = "", limit: int = PAGE
    ) -> tuple[tuple[RosterEntry, ...], bool]:
        """By number, and whether there are more."""
        conditions, values = _conditions(filters, 2)
        # In order until the page is full: a college has an index, and most have the cohort and the state asked for.
        found = f"SELECT {_COLUMNS} FROM published.roster_v1 WHERE student_id > $1{conditions}"
        statement = f"{found} ORDER BY student_id LIMIT {limit + 1}"
        rows = await bounded(self._pool.fetch(statement, after, *values), timeout_s=_TIMEOUT_S)
        return tuple(RosterEntry(**row) for row in rows[:limit]), len(rows) > limit

    async def counts(self, filters: RosterFilters) -> dict[str, int]:
        """By state, of the college and the cohort chosen."""
        conditions, values = _conditions(RosterFilters(filters.college, filters.cohort), 1)
        statement = f"SELECT state, count(*) AS students FROM published.roster_v1 WHERE true{conditions} GROUP BY state"
        rows = await bounded(self._pool.fetch(statement, *values), timeout_s=_TIMEOUT_S)
        return {row["state"]: row["students"] for row in rows}

    async def choices(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Colleges, and cohorts, the newest first; of a minute ago at most."""
        if time.monotonic() - self._choices[0] > _CHOICES_S:
            statement = "SELECT DISTINCT college, cohort FROM published.roster_v1"
            rows = await bounded(self._pool.fetch(statement), timeout_s=_TIMEOUT_S)
            colleges = sorted({row["college"] for row in rows} - {""})
            cohorts = sorted({row["cohort"] for row in rows} - {""}, reverse=True)
            self._choices = time.monotonic(), (tuple(colleges), tuple(cohorts))
        return self._choices[1]

    async def named(self, beginning: str) -> tuple[tuple[RosterEntry, ...], bool]:
        """Whose name begins so, at most `MAX_HITS`, and whether there are more."""
        # By bytes, as the index is.
        statement = f"""
        SELECT {_COLUMNS} FROM published.roster_v1 WHERE name ~>=~ $1 AND name ~<~ $2
        ORDER BY name, student_id LIMIT {MAX_HITS + 1}
        """
        rows = await bounded(self._pool.fetch(statement, beginning, beginning + _LAST))
        return tuple(RosterEntry(**row) for row in rows[:MAX_HITS]), len(rows) > MAX_HITS

    async def everybody(self, filters: RosterFilters) -> AsyncIterator[RosterEntry]:
        """Page after page: a row that changes meanwhile may be missing or old."""
        after, more = "", True
        while more:
            rows, more = await self.page(filters, after, _EXPORT_PAGE)
            for row in rows:
                yield row
            if rows:
                after = rows[-1].student_id


def _conditions(filters: RosterFilters, first: int) -> tuple[str, list[str]]:
    """`first`: number of its first parameter."""
    chosen = {name: value for name, value in filters.named().items() if value}
    text = "".join(f" AND {name} = ${number}" for number, name in enumerate(chosen, first))
    return text, list(chosen.values())
