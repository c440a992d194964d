"""Attempts in PostgreSQL, in the caller's transaction. Each statement is for a set of them.

Lock order everywhere: the student's case, then the attempt.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from schemas.attempts import AttemptState, RefusalCause
from schemas.events import Objections, Reason, SubmissionRefused, SubmissionRequested
from services.kit.postgres.pool import Connection

objections_adapter: Final[TypeAdapter[dict[str, tuple[Reason, ...]]]] = TypeAdapter(Objections)


@dataclass(frozen=True, slots=True)
class Attempt:
    """`ended_at` is None while open; `cause` is empty unless refused or expired."""

    attempt_id: UUID
    student_id: str
    case_number: int
    state: AttemptState
    required: frozenset[str]
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    cause: str
    parent_id: UUID | None
    """Of the part that asks about a former number."""
    objections: Mapping[str, tuple[Reason, ...]]

    def requested_event(self, waived: Mapping[str, tuple[str, ...]], cohort: str | None) -> SubmissionRequested:
        """`waived`: department → checks that are not asked. `cohort`: of the case under this number."""
        return SubmissionRequested(
            attempt_id=self.attempt_id,
            student_id=self.student_id,
            required=tuple(sorted(self.required)),
            waived={name: checks for name, checks in waived.items() if name in self.required},
            cohort=cohort,
            case_number=self.case_number,
            opened_at=self.opened_at,
            expires_at=self.expires_at,
        )

    def refused_event(self) -> SubmissionRefused:
        assert self.ended_at is not None
        return SubmissionRefused(
            attempt_id=self.attempt_id,
            student_id=self.student_id,
            cause=self.cause,
            objections=dict(self.objections),
            refused_at=self.ended_at,
        )


async def lock_each(connection: Connection, attempt_ids: Iterable[UUID]) -> list[Attempt]:
    """Those that there are, each followed by its parts in their order."""
    return [_attempt(row) for row in await connection.fetch(_LOCK, list(attempt_ids))]


@dataclass(frozen=True, slots=True)
class ToOpen:
    """`required`: the departments to ask."""

    attempt_id: UUID
    student_id: str
    required: frozenset[str]
    case_number: int


async def open_each(connection: Connection, wanted: Sequence[ToOpen], *, life_s: float) -> dict[UUID, Attempt]:
    """Not those whose student has an open attempt."""
    rows = await connection.fetch(_OPEN, *_columns(wanted), life_s) if wanted else []
    return {row["attempt_id"]: _attempt(row) for row in rows}


async def open_parts(connection: Connection, wanted: Sequence[tuple[UUID, int, ToOpen]]) -> list[Attempt]:
    """Given with parent and ordinal; they begin and expire with their parents. In the order given."""
    if not wanted:
        return []
    parents, ordinals = [parent_id for parent_id, _, _ in wanted], [ordinal for _, ordinal, _ in wanted]
    rows = await connection.fetch(_OPEN_PARTS, *_columns([one for _, _, one in wanted]), parents, ordinals)
    opened = {row["attempt_id"]: _attempt(row) for row in rows}
    return [opened[one.attempt_id] for _, _, one in wanted]


def _columns(wanted: Sequence[ToOpen]) -> tuple[list[UUID], list[str], list[str], list[int]]:
    return (
        [one.attempt_id for one in wanted],
        [one.student_id for one in wanted],
        # Of arrays of different lengths PostgreSQL makes no array.
        [",".join(sorted(one.required)) for one in wanted],
        [one.case_number for one in wanted],
    )


async def add_refused(
    connection: Connection, refused: Sequence[tuple[UUID, str, RefusalCause, int]]
) -> dict[UUID, Attempt]:
    """Given as attempt, student, cause and case number. Stored so that a repeated command gets the same answer."""
    rows = await connection.fetch(_REFUSED, *zip(*refused, strict=True)) if refused else []
    return {row["attempt_id"]: _attempt(row) for row in rows}


def refused_state(cause: str) -> AttemptState:
    return AttemptState.EXPIRED if cause == RefusalCause.EXPIRED else AttemptState.REFUSED


async def end_each(connection: Connection, ended: Sequence[Attempt]) -> None:
    """As they have ended now. The caller holds them locked, and found them open."""
    rows = await connection.fetch(
        _END,
        [one.attempt_id for one in ended],
        [one.state.value for one in ended],
        [one.ended_at for one in ended],
        [one.cause for one in ended],
        [objections_adapter.dump_json(dict(one.objections)).decode() for one in ended],
    )
    assert len(rows) == len(ended), "the caller holds the attempts locked and open"


async def expired(connection: Connection, limit: int) -> list[tuple[UUID, str]]:
    """(attempt_id, student_id) of open attempts, oldest first. Their parts end with them, or alone behind them."""
    rows = await connection.fetch(_EXPIRED, limit)
    return [(row["attempt_id"], row["student_id"]) for row in rows]


def _attempt(row: Any) -> Attempt:
    return Attempt(
        attempt_id=row["attempt_id"],
        student_id=row["student_id"],
        case_number=row["case_number"],
        state=AttemptState(row["state"]),
        required=frozenset(row["required"]),
        opened_at=row["opened_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
        cause=row["cause"],
        parent_id=row["parent_id"],
        objections=objections_adapter.validate_json(row["objections"]),
    )


_EXPIRED: Final = """
SELECT attempt_id, student_id FROM attempt
WHERE state = 'open' AND expires_at <= clock_timestamp() AND (parent_id IS NULL OR NOT EXISTS (
    SELECT FROM attempt AS whole WHERE whole.attempt_id = attempt.parent_id AND whole.state = 'open'))
ORDER BY expires_at LIMIT $1
"""
_LOCK: Final = """
SELECT * FROM attempt WHERE attempt_id = ANY($1::uuid[]) OR parent_id = ANY($1::uuid[])
ORDER BY coalesce(parent_id, attempt_id), ordinal FOR UPDATE
"""
_OPEN: Final = """
INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, case_number)
SELECT attempt_id, student_id, 'open', string_to_array(required, ','), at, at + make_interval(secs => $5), case_number
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[]) AS wanted (attempt_id, student_id, required, case_number),
     clock_timestamp() AS at
ON CONFLICT (student_id) WHERE state = 'open' DO NOTHING RETURNING *
"""
_OPEN_PARTS: Final = """
INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, case_number, parent_id, ordinal)
SELECT wanted.attempt_id, wanted.student_id, 'open', string_to_array(wanted.required, ','), parent.opened_at,
       parent.expires_at, wanted.case_number, wanted.parent_id, wanted.ordinal
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::uuid[], $6::int[])
     AS wanted (attempt_id, student_id, required, case_number, parent_id, ordinal)
JOIN attempt AS parent ON parent.attempt_id = wanted.parent_id
RETURNING *
"""
_REFUSED: Final = """
INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at, cause, case_number)
SELECT attempt_id, student_id, 'refused', '{}', at, at + interval '1 second', at, cause, case_number
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[]) AS said (attempt_id, student_id, cause, case_number),
     clock_timestamp() AS at
RETURNING *
"""
_END: Final = """
UPDATE attempt SET state = said.state, ended_at = said.ended_at, cause = said.cause, objections = said.objections::jsonb
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
     AS said (attempt_id, state, ended_at, cause, objections)
WHERE attempt.attempt_id = said.attempt_id AND attempt.state = 'open' RETURNING attempt.attempt_id
"""
