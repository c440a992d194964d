"""What the topics have said of each student: the case, and each department's lines."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas.events import CaseChanged, CaseState, StatusChanged
from services.kit.postgres.pool import Connection
from services.notices.news.turns import LineState


@dataclass(frozen=True, slots=True)
class KnownCase:
    """`state` is None before the case was read. `waived`: department → checks."""

    state: CaseState | None
    waived: dict[str, list[str]]


async def case_of(connection: Connection, student_id: str) -> KnownCase:
    row = await connection.fetchrow("SELECT version, state, waived FROM known_case WHERE student_id = $1", student_id)
    if row is None:
        return KnownCase(None, {})
    return KnownCase(CaseState(row["state"]) if row["version"] else None, json.loads(row["waived"]))


async def learn_case(connection: Connection, event: CaseChanged) -> None:
    """A next departure begins without what is known of the one before."""
    number = await connection.fetchval("SELECT case_number FROM known_case WHERE student_id = $1", event.student_id)
    if number is not None and number < event.case_number:
        await connection.execute("DELETE FROM known_line WHERE student_id = $1", event.student_id)
    await connection.execute(_LEARN_CASE, event.student_id, event.version, event.state.value, event.case_number)


async def learn_waived(connection: Connection, student_id: str, waived: dict[str, tuple[str, ...]]) -> None:
    await connection.execute(_LEARN_WAIVED, student_id, json.dumps(waived))


async def lines_of(connection: Connection, event: StatusChanged) -> tuple[int, dict[str, LineState]]:
    """Version 0 before the first status; the row is locked."""
    row = await connection.fetchrow(_LINES, event.student_id, event.department)
    if row is None:
        return 0, {}
    return row["version"], {check: LineState(state) for check, state in json.loads(row["states"]).items()}


async def learn_lines(connection: Connection, event: StatusChanged, states: dict[str, LineState]) -> None:
    await connection.execute(_LEARN_LINES, event.student_id, event.department, event.version, json.dumps(states))


async def forget_lines(connection: Connection, student_id: str, department: str) -> None:
    await connection.execute(_FORGET_LINES, student_id, department)


async def beginning(connection: Connection) -> datetime:
    at: datetime = await connection.fetchval("SELECT at FROM notice_beginning")
    return at


_LEARN_CASE: Final = """
INSERT INTO known_case AS known (student_id, version, state, case_number) VALUES ($1, $2, $3, $4)
ON CONFLICT (student_id) DO UPDATE SET version = excluded.version, state = excluded.state,
    case_number = excluded.case_number WHERE known.version < excluded.version
"""
_LEARN_WAIVED: Final = """
INSERT INTO known_case (student_id, waived) VALUES ($1, $2)
ON CONFLICT (student_id) DO UPDATE SET waived = excluded.waived
"""
_LINES: Final = "SELECT version, states FROM known_line WHERE student_id = $1 AND department = $2 FOR UPDATE"
_LEARN_LINES: Final = """
INSERT INTO known_line (student_id, department, version, states) VALUES ($1, $2, $3, $4)
ON CONFLICT (student_id, department) DO UPDATE SET version = excluded.version, states = excluded.states
"""
_FORGET_LINES: Final = "DELETE FROM known_line WHERE student_id = $1 AND department = $2"
