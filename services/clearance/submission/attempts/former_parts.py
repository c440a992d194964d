"""The parts of an attempt that ask about a person's former numbers, in the caller's transaction.

To the departments a part is an attempt of its own: asked, attested and held under the former number. It begins and ends
with its parent, under the lock of the parent's student.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID, uuid5

from services.kit.postgres.pool import Connection

_OWNERS: Final = """
SELECT attempt.attempt_id, whole.attempt_id AS whole_id, whole.student_id
FROM attempt JOIN attempt AS whole ON whole.attempt_id = coalesce(attempt.parent_id, attempt.attempt_id)
WHERE attempt.attempt_id = ANY($1::uuid[])
"""


async def owners(connection: Connection, attempt_ids: Iterable[UUID]) -> dict[UUID, tuple[UUID, str]]:
    """Attempt and student to lock for each attempt or part that there is."""
    rows = await connection.fetch(_OWNERS, list(attempt_ids))
    return {row["attempt_id"]: (row["whole_id"], row["student_id"]) for row in rows}


async def with_open_attempt(connection: Connection, former: Iterable[str]) -> frozenset[str]:
    """Those of the numbers under which an attempt is open: one from before a join."""
    numbers = list(former)
    if not numbers:
        return frozenset()
    query = "SELECT student_id FROM attempt WHERE state = 'open' AND student_id = ANY($1::text[])"
    return frozenset(row["student_id"] for row in await connection.fetch(query, numbers))


def part_id(attempt_id: UUID, student_id: str) -> UUID:
    """Of the part that asks about this former number."""
    return uuid5(attempt_id, student_id)
