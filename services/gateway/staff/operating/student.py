"""One student from the departments to the view: where the two differ, and the likely cause."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.gateway.staff.desk.desk_answers import HistoryEntry
from services.gateway.staff.desk.desk_client import DeskRefused, DeskUnavailable
from services.gateway.staff.operating.answers import Published
from services.gateway.staff.operating.client import OperatedServices
from services.gateway.staff.operating.reader import ViewRow


@dataclass(frozen=True, slots=True)
class Step:
    """A department: what it has published (None: it does not answer), what the view holds, and where it stands."""

    department: str
    published: Published | None
    row: ViewRow | None
    finding: str


async def steps_of(
    services: OperatedServices,
    departments: tuple[str, ...],
    rows: dict[str, ViewRow],
    person: str,
    student_id: str,
    *,
    stale_before: datetime,
) -> tuple[Step, ...]:
    published = await asyncio.gather(*(_published(services, name, person, student_id) for name in departments))
    return tuple(
        Step(name, one, rows.get(name), finding(one, rows.get(name), stale_before))
        for name, one in zip(departments, published, strict=True)
    )


async def _published(services: OperatedServices, department: str, person: str, student_id: str) -> Published | None:
    service = services.find(department)
    if service is None:
        return None
    try:
        return await service.published(person, student_id)
    except (DeskUnavailable, DeskRefused):
        return None


def finding(published: Published | None, row: ViewRow | None, stale_before: datetime) -> str:
    """Why the page shows what it shows, the first that holds on the way of an event."""
    if published is None:
        return "department-away"
    if published.status is None:
        return "never-published" if row is None else "department-behind"
    if published.unsent:
        return "in-outbox"
    if row is None:
        return "not-received"
    if not row.readable:
        return "unreadable"
    if row.version < published.status.version:
        return "behind"
    if row.version > published.status.version:
        return "department-behind"
    if row.status is None or row.status.checks != published.status.checks:
        return "differs"
    if row.alive_as_of is None or row.alive_as_of < stale_before:
        return "stale"
    return "in-step"


@dataclass(frozen=True, slots=True)
class Cause:
    """Where a version came from: what the department's audit has of it, and the record while the view holds it."""

    entry: HistoryEntry | None
    row: ViewRow | None


def causes_of(steps: Iterable[Step]) -> dict[tuple[str, int], Cause]:
    """By department and version."""
    found: dict[tuple[str, int], Cause] = {}
    for step in steps:
        row = step.row
        # Newest first: an entry that left the version as it was comes before the one that made it.
        for entry in step.published.entries if step.published else ():
            version = entry.details.get("version")
            if isinstance(version, int):
                found[step.department, version] = Cause(entry, row if row and row.version == version else None)
        if row is not None and (step.department, row.version) not in found:
            found[step.department, row.version] = Cause(None, row)
    return found
