"""The parts of an attempt that ask about a person's former numbers, in the caller's transaction.

To the departments a part is an attempt of its own: asked, attested and held under the former number. It begins and ends
with its parent, under the lock of the parent's student.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID, uuid5

from services.clearance.roster.cases import Case
from services.clearance.submission.attempts import attempt_store
from services.clearance.submission.attempts.attempt_store import Attempt
from services.kit.postgres.pool import Connection

_OWNER: Final = """
SELECT whole.attempt_id, whole.student_id,
       EXISTS (SELECT FROM attempt AS part WHERE part.parent_id = whole.attempt_id) AS has_parts
FROM attempt JOIN attempt AS whole ON whole.attempt_id = coalesce(attempt.parent_id, attempt.attempt_id)
WHERE attempt.attempt_id = $1
"""
_OPEN: Final = """
INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, case_number, parent_id, ordinal)
SELECT $1, $2, 'open', $3, opened_at, expires_at, $4, attempt_id, $6 FROM attempt WHERE attempt_id = $5
"""


async def owner(connection: Connection, attempt_id: UUID) -> tuple[UUID, str, bool] | None:
    """Attempt and student to lock for an attempt or a part; and whether it has parts, which are opened with it."""
    row = await connection.fetchrow(_OWNER, attempt_id)
    return (row["attempt_id"], row["student_id"], row["has_parts"]) if row else None


async def any_open(connection: Connection, former: Iterable[str]) -> bool:
    """Whether an attempt from before a join is open under one of the numbers."""
    query = "SELECT EXISTS (SELECT FROM attempt WHERE state = 'open' AND student_id = ANY($1::text[]))"
    return bool(await connection.fetchval(query, list(former)))


async def open_part(
    connection: Connection, parent: Attempt, case: Case, required: Iterable[str], *, ordinal: int
) -> Attempt:
    """`case` is of the former number."""
    student_id = case.student.student_id
    part_id = uuid5(parent.attempt_id, student_id)
    await connection.execute(_OPEN, part_id, student_id, sorted(required), case.case_number, parent.attempt_id, ordinal)
    part = await attempt_store.lock(connection, part_id)
    assert part is not None
    return part


async def parts_of(connection: Connection, parent_id: UUID) -> tuple[Attempt, ...]:
    """Locked, in their order."""
    rows = await connection.fetch("SELECT attempt_id FROM attempt WHERE parent_id = $1 ORDER BY ordinal", parent_id)
    locked = [await attempt_store.lock(connection, row["attempt_id"]) for row in rows]
    return tuple(part for part in locked if part is not None)
