"""Occasions, each once by its id."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from services.kit.postgres.pool import Connection
from services.notices.news.occasions import AT_ONCE, Kind, Occasion
from services.notices.news.turns import LineState


async def note(connection: Connection, occasions: Iterable[Occasion], *, window_s: float) -> None:
    """One that is known already is not noted again."""
    for one in occasions:
        await connection.execute(
            _NOTE,
            one.occasion_id,
            one.student_id,
            one.kind.value,
            one.subject,
            one.number,
            one.before or "",
            one.after or "",
            0.0 if one.kind in AT_ONCE else window_s,
        )


async def due_students(connection: Connection, limit: int) -> list[str]:
    return [row["student_id"] for row in await connection.fetch(_DUE_STUDENTS, limit)]


async def uncollected(connection: Connection, student_id: str) -> list[tuple[Occasion, bool]]:
    """Each with whether it is due; locked, without those that another instance collects."""
    return [(_occasion(row), row["due"]) for row in await connection.fetch(_UNCOLLECTED, student_id)]


async def mark_collected(connection: Connection, occasions: Iterable[Occasion]) -> None:
    ids = [one.occasion_id for one in occasions]
    await connection.execute("UPDATE occasion SET collected_at = now() WHERE occasion_id = ANY($1)", ids)


async def unsent(connection: Connection, channel: str, occasions: Sequence[UUID]) -> list[Occasion]:
    """Without those that went by this channel."""
    return [_occasion(row) for row in await connection.fetch(_UNSENT, channel, list(occasions))]


def _occasion(row: Any) -> Occasion:
    return Occasion(
        row["occasion_id"],
        row["student_id"],
        Kind(row["kind"]),
        row["subject"],
        row["number"],
        LineState(row["before"]) if row["before"] else None,
        LineState(row["after"]) if row["after"] else None,
    )


_NOTE: Final = """
INSERT INTO occasion (occasion_id, student_id, kind, subject, number, before, after, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))
ON CONFLICT (occasion_id) DO NOTHING
"""
_DUE_STUDENTS: Final = """
SELECT DISTINCT student_id FROM occasion WHERE collected_at IS NULL AND due_at <= now() LIMIT $1
"""
_UNCOLLECTED: Final = """
SELECT occasion_id, student_id, kind, subject, number, before, after, due_at <= now() AS due
FROM occasion WHERE student_id = $1 AND collected_at IS NULL ORDER BY number FOR UPDATE SKIP LOCKED
"""
_UNSENT: Final = """
SELECT occasion_id, student_id, kind, subject, number, before, after FROM occasion
WHERE occasion_id = ANY($2) AND NOT EXISTS (
    SELECT FROM sent_occasion WHERE sent_occasion.occasion_id = occasion.occasion_id AND channel = $1)
ORDER BY number
"""
