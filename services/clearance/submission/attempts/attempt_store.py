"""Attempts and attestations in PostgreSQL, in the caller's transaction.

Lock order everywhere: the student's case, then the attempt.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from schemas.attempts import AttemptState, RefusalCause
from schemas.events import AttestationGiven, Objections, Reason, SubmissionRefused, SubmissionRequested
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


async def lock(connection: Connection, attempt_id: UUID) -> Attempt | None:
    row = await connection.fetchrow("SELECT * FROM attempt WHERE attempt_id = $1 FOR UPDATE", attempt_id)
    return _attempt(row) if row else None


async def open_attempt(
    connection: Connection,
    attempt_id: UUID,
    student_id: str,
    required: Iterable[str],
    *,
    case_number: int,
    life_s: float,
) -> Attempt | None:
    """None if the student has an open attempt."""
    row = await connection.fetchrow(
        """
        INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, case_number)
        SELECT $1, $2, 'open', $3, at, at + make_interval(secs => $4), $5 FROM clock_timestamp() AS at
        ON CONFLICT (student_id) WHERE state = 'open' DO NOTHING RETURNING *
        """,
        attempt_id,
        student_id,
        sorted(required),
        life_s,
        case_number,
    )
    return _attempt(row) if row else None


async def add_refused(
    connection: Connection, attempt_id: UUID, student_id: str, cause: RefusalCause, *, case_number: int
) -> Attempt:
    """Stored so that a repeated command gets the same answer."""
    row = await connection.fetchrow(
        """
        INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at, cause,
                             case_number)
        SELECT $1, $2, 'refused', '{}', at, at + interval '1 second', at, $3, $4
        FROM clock_timestamp() AS at RETURNING *
        """,
        attempt_id,
        student_id,
        cause,
        case_number,
    )
    assert row is not None
    return _attempt(row)


def refused_state(cause: str) -> AttemptState:
    return AttemptState.EXPIRED if cause == RefusalCause.EXPIRED else AttemptState.REFUSED


async def end(
    connection: Connection,
    attempt_id: UUID,
    state: AttemptState,
    *,
    cause: str = "",
    objections: Mapping[str, tuple[Reason, ...]] | None = None,
) -> Attempt:
    """The caller holds it locked."""
    row = await connection.fetchrow(
        """
        UPDATE attempt SET state = $2, ended_at = clock_timestamp(), cause = $3, objections = $4
        WHERE attempt_id = $1 AND state = 'open' RETURNING *
        """,
        attempt_id,
        state,
        cause,
        objections_adapter.dump_json(dict(objections or {})).decode(),
    )
    assert row is not None, "the caller holds the attempt locked and open"
    return _attempt(row)


async def expired(connection: Connection, limit: int) -> list[tuple[UUID, str]]:
    """(attempt_id, student_id) of open attempts, oldest first. Their parts end with them."""
    rows = await connection.fetch(
        "SELECT attempt_id, student_id FROM attempt"
        " WHERE state = 'open' AND parent_id IS NULL AND expires_at <= clock_timestamp() ORDER BY expires_at LIMIT $1",
        limit,
    )
    return [(row["attempt_id"], row["student_id"]) for row in rows]


async def is_expired(connection: Connection, attempt_id: UUID) -> bool:
    query = "SELECT expires_at <= clock_timestamp() FROM attempt WHERE attempt_id = $1"
    return bool(await connection.fetchval(query, attempt_id))


async def is_past(connection: Connection, instant: datetime) -> bool:
    return bool(await connection.fetchval("SELECT $1 <= clock_timestamp()", instant))


async def ended_before(connection: Connection, attempt_id: UUID, since_s: float) -> bool:
    query = "SELECT ended_at < clock_timestamp() - make_interval(secs => $2) FROM attempt WHERE attempt_id = $1"
    return bool(await connection.fetchval(query, attempt_id, since_s))


async def add_answer(connection: Connection, answer: AttestationGiven) -> bool:
    """Whether this is the department's first answer, which counts. The caller holds the attempt locked."""
    added = await connection.execute(
        "INSERT INTO answer (attempt_id, department, outcome, said) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        answer.attempt_id,
        answer.department,
        answer.outcome.value,
        answer.model_dump_json(),
    )
    return str(added).endswith(" 1")


async def prolong_hold(connection: Connection, answer: AttestationGiven) -> None:
    """Of an answer that counts; the caller has seen that it is held for longer."""
    await connection.execute(
        """
        INSERT INTO prolonged_hold (attempt_id, department, held_until) VALUES ($1, $2, $3)
        ON CONFLICT (attempt_id, department) DO UPDATE SET held_until = excluded.held_until
        """,
        answer.attempt_id,
        answer.department,
        answer.held_until,
    )


async def answers_of(connection: Connection, attempt_id: UUID) -> dict[str, AttestationGiven]:
    """By department, as they are held now."""
    rows = await connection.fetch(
        """
        SELECT department, said, held_until FROM answer LEFT JOIN prolonged_hold USING (attempt_id, department)
        WHERE attempt_id = $1
        """,
        attempt_id,
    )
    answers = {row["department"]: AttestationGiven.model_validate_json(row["said"]) for row in rows}
    prolonged = {row["department"]: row["held_until"] for row in rows if row["held_until"] is not None}
    return answers | {name: answers[name].model_copy(update={"held_until": until}) for name, until in prolonged.items()}


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
