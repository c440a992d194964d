"""Attempts and submissions in PostgreSQL. Every function takes part in the caller's transaction.

Order of locks, everywhere: the student's case, then the attempt.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from schemas.events import (
    AttestationGiven,
    Message,
    Objections,
    Reason,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
)
from services.clearance.receipts.payload import Receipt
from services.kit.postgres.pool import Connection

OPEN: Final = "open"
_objections: TypeAdapter[dict[str, tuple[Reason, ...]]] = TypeAdapter(Objections)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One confirmation round. `state`: open, accepted, refused or expired."""

    attempt_id: UUID
    student_id: str
    state: str
    required: frozenset[str]
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    cause: str
    objections: Mapping[str, tuple[Reason, ...]]

    def requested(self) -> SubmissionRequested:
        return SubmissionRequested(
            attempt_id=self.attempt_id,
            student_id=self.student_id,
            required=tuple(sorted(self.required)),
            opened_at=self.opened_at,
            expires_at=self.expires_at,
        )


async def lock(connection: Connection, attempt_id: UUID) -> Attempt | None:
    """The attempt, locked for this transaction."""
    row = await connection.fetchrow("SELECT * FROM attempt WHERE attempt_id = $1 FOR UPDATE", attempt_id)
    return _attempt(row) if row else None


async def open_attempt(
    connection: Connection, attempt_id: UUID, student_id: str, required: Iterable[str], *, life_s: float
) -> Attempt | None:
    """A new attempt that lives for `life_s` by the database's clock; None when the student has an open one."""
    row = await connection.fetchrow(
        """
        INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at)
        SELECT $1, $2, 'open', $3, at, at + make_interval(secs => $4) FROM clock_timestamp() AS at
        ON CONFLICT (student_id) WHERE state = 'open' DO NOTHING RETURNING *
        """,
        attempt_id,
        student_id,
        sorted(required),
        life_s,
    )
    return _attempt(row) if row else None


async def add_refused(connection: Connection, attempt_id: UUID, student_id: str, cause: str) -> Attempt:
    """Remember an attempt refused before any department was asked, so that asking again is answered the same."""
    row = await connection.fetchrow(
        """
        INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at, cause)
        SELECT $1, $2, 'refused', '{}', at, at + interval '1 second', at, $3 FROM clock_timestamp() AS at RETURNING *
        """,
        attempt_id,
        student_id,
        cause,
    )
    assert row is not None
    return _attempt(row)


async def end(
    connection: Connection,
    attempt_id: UUID,
    state: str,
    *,
    cause: str = "",
    objections: Mapping[str, tuple[Reason, ...]] | None = None,
) -> Attempt:
    """End an open attempt, which the caller holds locked."""
    row = await connection.fetchrow(
        """
        UPDATE attempt SET state = $2, ended_at = clock_timestamp(), cause = $3, objections = $4
        WHERE attempt_id = $1 AND state = 'open' RETURNING *
        """,
        attempt_id,
        state,
        cause,
        _objections.dump_json(dict(objections or {})).decode(),
    )
    assert row is not None, "an attempt is ended once, by whoever holds it locked"
    return _attempt(row)


async def expired(connection: Connection, limit: int) -> list[tuple[UUID, str]]:
    """Open attempts whose life is over, by the database's clock: (attempt, student)."""
    rows = await connection.fetch(
        "SELECT attempt_id, student_id FROM attempt WHERE state = 'open' AND expires_at <= clock_timestamp()"
        " ORDER BY expires_at LIMIT $1",
        limit,
    )
    return [(row["attempt_id"], row["student_id"]) for row in rows]


async def is_expired(connection: Connection, attempt_id: UUID) -> bool:
    """Whether the life of a locked attempt is over."""
    over = "SELECT expires_at <= clock_timestamp() FROM attempt WHERE attempt_id = $1"
    return bool(await connection.fetchval(over, attempt_id))


async def add_answer(connection: Connection, answer: AttestationGiven) -> tuple[bool, dict[str, AttestationGiven]]:
    """Keep a department's first answer: whether this was it, and what was answered so far, by department.

    The caller holds the attempt locked, so that nobody answers between the two halves of the statement.
    """
    rows = await connection.fetch(
        """
        WITH added AS (
            INSERT INTO answer (attempt_id, department, outcome, said) VALUES ($1, $2, $3, $4)
            ON CONFLICT DO NOTHING RETURNING department, said
        )
        SELECT department, said, true AS new FROM added
        UNION ALL SELECT department, said, false FROM answer WHERE attempt_id = $1
        """,
        answer.attempt_id,
        answer.department,
        answer.outcome.value,
        answer.model_dump_json(),
    )
    answered = {row["department"]: AttestationGiven.model_validate_json(row["said"]) for row in rows}
    return any(row["new"] for row in rows), answered


@dataclass(frozen=True, slots=True)
class Submission:
    """An accepted submission, as it is stored."""

    student_id: str
    attempt_id: UUID
    form_number: str
    code: str
    accepted_at: datetime
    facts: Mapping[str, Any]
    receipt: Receipt
    kid: str

    def announced(self) -> SubmissionAccepted:
        return SubmissionAccepted(
            attempt_id=self.attempt_id,
            student_id=self.student_id,
            form_number=self.form_number,
            accepted_at=self.accepted_at,
        )


async def add_submission(connection: Connection, submission: Submission) -> None:
    """Store it. The key refuses a second one of the student, and then nothing of this transaction happens."""
    await connection.execute(
        """
        INSERT INTO submission (student_id, attempt_id, form_number, code, accepted_at, facts, receipt, qr_text, kid)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        submission.student_id,
        submission.attempt_id,
        submission.form_number,
        submission.code,
        submission.accepted_at,
        json.dumps(submission.facts, ensure_ascii=False),
        submission.receipt.text,
        submission.receipt.qr_text,
        submission.kid,
    )


async def accepted(connection: Connection, student_id: str) -> SubmissionAccepted | None:
    """The acceptance of the student's submission, as it was announced."""
    row = await connection.fetchrow(
        "SELECT attempt_id, student_id, form_number, accepted_at FROM submission WHERE student_id = $1", student_id
    )
    return SubmissionAccepted(**dict(row)) if row else None


def refusal(attempt: Attempt) -> Message:
    """The refusal of an attempt, as it was announced and is again."""
    assert attempt.ended_at is not None
    return SubmissionRefused(
        attempt_id=attempt.attempt_id,
        student_id=attempt.student_id,
        cause=attempt.cause,
        objections=dict(attempt.objections),
        refused_at=attempt.ended_at,
    )


def _attempt(row: Any) -> Attempt:
    return Attempt(
        attempt_id=row["attempt_id"],
        student_id=row["student_id"],
        state=row["state"],
        required=frozenset(row["required"]),
        opened_at=row["opened_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
        cause=row["cause"],
        objections=_objections.validate_json(row["objections"]),
    )
