"""Table `note`: what members of an office wrote for each other about a student."""

from dataclasses import dataclass
from datetime import datetime

from services.kit.postgres.pool import Connection


@dataclass(frozen=True, slots=True)
class Note:
    """`written_by`: a principal; with a person, `principal: person`."""

    note_id: int
    text: str
    written_by: str
    written_at: datetime


async def add_note(connection: Connection, student_id: str, text: str, *, by: str) -> int:
    note_id: int = await connection.fetchval(
        "INSERT INTO note (student_id, text, written_by) VALUES ($1, $2, $3) RETURNING note_id", student_id, text, by
    )
    return note_id


async def notes_about(connection: Connection, student_id: str, *, limit: int) -> list[Note]:
    """The newest, newest first."""
    rows = await connection.fetch(
        """
        SELECT note_id, text, written_by, written_at FROM note WHERE student_id = $1 ORDER BY note_id DESC LIMIT $2
        """,
        student_id,
        limit,
    )
    return [Note(*row) for row in rows]
