"""Cases in PostgreSQL, in the caller's transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from schemas.events import CaseState
from schemas.flows import CLEARANCE, source_of
from services.clearance.roster.cases import Case, Student
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import Attribute

SOURCE: Final = source_of(CLEARANCE)
_COLUMNS: Final = tuple(name for name in Student.model_fields if name != "student_id")


async def roster_attributes(connection: Connection) -> list[tuple[str, dict[str, str | None]]]:
    """Student numbers and what rules look at, of everybody who is on the roster and not completed."""
    rows = await connection.fetch(
        f"SELECT student_id, {', '.join(Attribute)} FROM student_case WHERE state IN ('open', 'not-served')"
        " ORDER BY student_id"
    )
    return [(row["student_id"], {name.value: row[name.value] for name in Attribute}) for row in rows]


async def find(connection: Connection, student_id: str) -> Case | None:
    return await _read(connection, student_id, "")


async def lock(connection: Connection, student_id: str) -> Case | None:
    """Every decision about a student takes this lock first."""
    return await _read(connection, student_id, "FOR UPDATE")


async def lock_each(connection: Connection, student_ids: Iterable[str]) -> dict[str, Case]:
    """As `lock`, in the order of the numbers: two transactions that lock several do not wait for one another."""
    return _by_number(await connection.fetch(_LOCK_EACH, list(student_ids)))


async def find_each(connection: Connection, student_ids: Iterable[str]) -> dict[str, Case]:
    numbers = list(student_ids)
    return _by_number(await connection.fetch(_FIND_EACH, numbers) if numbers else [])


async def former_numbers(connection: Connection, student_id: str) -> tuple[str, ...]:
    rows = await connection.fetch(
        "SELECT student_id FROM student_case WHERE joined_to = $1 ORDER BY student_id", student_id
    )
    return tuple(row["student_id"] for row in rows)


async def former_cases(connection: Connection, student_ids: Iterable[str]) -> dict[str, tuple[Case, ...]]:
    """Of the former numbers of each, which the caller's lock on the current one keeps as they are joined."""
    former: dict[str, list[Case]] = {}
    numbers = list(student_ids)
    for row in await connection.fetch(_FORMER, numbers) if numbers else ():
        former.setdefault(row["joined_to"], []).append(_case(row))
    return {student_id: tuple(former.get(student_id, ())) for student_id in numbers}


async def _read(connection: Connection, student_id: str, locking: str) -> Case | None:
    row = await connection.fetchrow(f"{_READ} WHERE student_id = $1 {locking}", student_id)
    return _case(row) if row else None


def _by_number(rows: Iterable[Any]) -> dict[str, Case]:
    return {row["student_id"]: _case(row) for row in rows}


def _case(row: Any) -> Case:
    fields = {name: row[name] for name in ("student_id", *_COLUMNS)}
    # Not validated again: stored data was valid by the rules of its day.
    return Case(
        Student.model_construct(**fields),
        row["version"],
        CaseState(row["state"]),
        row["opened_on"],
        row["case_number"],
        row["taken_off"],
        row["joined_to"],
        row["said_as_of"],
    )


async def insert(connection: Connection, case: Case, now: datetime) -> Case | None:
    """With a version above the floor; None if the student has a case by now."""
    version = await connection.fetchval(_INSERT, *_values(case, now))
    return None if version is None else replace(case, version=version)


async def update(connection: Connection, case: Case, now: datetime) -> None:
    await connection.execute(_UPDATE, *_values(case, now))


async def set_states(connection: Connection, cases: Sequence[Case], now: datetime) -> None:
    """State and version: nothing else changed."""
    await connection.execute(
        _SET_STATES,
        [case.student.student_id for case in cases],
        [case.version for case in cases],
        [case.state.value for case in cases],
        now,
    )


async def set_instant(connection: Connection, case: Case) -> None:
    """When the newest word of the roster was true: nothing else changed."""
    await connection.execute(_SET_INSTANT, case.student.student_id, case.as_of)


def _values(case: Case, now: datetime) -> tuple[object, ...]:
    student = case.student
    head = (
        student.student_id,
        case.version,
        case.state.value,
        case.opened_on,
        now,
        case.case_number,
        case.taken_off,
        case.joined_to,
        case.as_of,
    )
    return head + tuple(getattr(student, name) for name in _COLUMNS)


_STATE: Final = (
    "student_id",
    "version",
    "state",
    "opened_on",
    "changed_at",
    "case_number",
    "taken_off",
    "joined_to",
    "said_as_of",
)
_ALL: Final = (*_STATE, *_COLUMNS)
_READ: Final = f"SELECT {', '.join(_ALL)} FROM student_case"
_FIND_EACH: Final = f"{_READ} WHERE student_id = ANY($1::text[])"
_LOCK_EACH: Final = f"{_FIND_EACH} ORDER BY student_id FOR UPDATE"
_FORMER: Final = f"{_READ} WHERE joined_to = ANY($1::text[]) ORDER BY student_id"
_VALUES: Final = [f"${number}" for number in range(1, len(_ALL) + 1)]
_ABOVE_FLOOR: Final = "$2::int + (SELECT version FROM case_floor)"
_INSERT: Final = f"""
INSERT INTO student_case ({", ".join(_ALL)}) VALUES ({", ".join(["$1", _ABOVE_FLOOR, *_VALUES[2:]])})
ON CONFLICT DO NOTHING RETURNING version
"""
_UPDATE: Final = f"UPDATE student_case SET ({', '.join(_ALL[1:])}) = ({', '.join(_VALUES[1:])}) WHERE student_id = $1"
_SET_STATES: Final = """
UPDATE student_case SET version = said.version, state = said.state, changed_at = $4
FROM unnest($1::text[], $2::int[], $3::text[]) AS said (student_id, version, state)
WHERE student_case.student_id = said.student_id
"""
_SET_INSTANT: Final = "UPDATE student_case SET said_as_of = $2 WHERE student_id = $1"
