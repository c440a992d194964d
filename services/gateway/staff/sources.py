"""How old each department's data is, which cohorts it vouches for, and what it has not settled."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
from pydantic import ValidationError

from services.gateway.staff.desk.desk_answers import DeskAnswer
from services.gateway.staff.desk.desk_client import DeskClient, DeskClients, DeskRefused, DeskUnavailable
from services.gateway.timeouts import bounded
from services.kit.manifests import DepartmentManifest

_LOADS: Final = 50


class Load(DeskAnswer):
    """A complete list; `cohort` None: of every student."""

    cohort: str | None
    checks: tuple[str, ...]
    as_of: datetime
    declared_by: str
    declared_at: datetime

    @property
    def by(self) -> str:
        return self.declared_by.partition(": ")[2] or self.declared_by


class _Loads(DeskAnswer):
    loads: tuple[Load, ...]


class _OpenQuestions(DeskAnswer):
    open: int


@dataclass(frozen=True, slots=True)
class Source:
    """`as_of`: everything the department sent before is in the view; None before the first mark.

    `loads`, valid ones, newest first, and `questions` are None while its desk is away.
    """

    department: DepartmentManifest
    as_of: datetime | None
    loads: tuple[Load, ...] | None
    questions: int | None


class SourceReader:
    """Raises transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]", desks: DeskClients) -> None:
        self._pool = pool
        self._desks = desks

    async def sources(self, person: str, departments: Mapping[str, DepartmentManifest]) -> tuple[Source, ...]:
        """In page order."""
        statement = """
        SELECT department, CASE WHEN bool_and(alive_as_of IS NOT NULL) THEN min(alive_as_of) END AS as_of
        FROM published.source_v1 GROUP BY department
        """
        rows = await bounded(self._pool.fetch(statement))
        as_of = {row["department"]: row["as_of"] for row in rows}
        found = await asyncio.gather(*(_vouched(self._desks.of(name), person) for name in departments))
        return tuple(
            Source(one, as_of.get(name), loads, questions)
            for (name, one), (loads, questions) in zip(departments.items(), found, strict=True)
        )


async def _vouched(desk: DeskClient, person: str) -> tuple[tuple[Load, ...] | None, int | None]:
    try:
        loads = await desk.send("GET", "/coverage", person, query={"valid": True, "limit": _LOADS})
        questions = await desk.send("GET", "/questions/count", person)
        return (
            _Loads.model_validate_json(loads.content).loads,
            _OpenQuestions.model_validate_json(questions.content).open,
        )
    except (DeskUnavailable, DeskRefused):
        return None, None
    except ValidationError as error:
        desk.unreadable(error)
        return None, None
