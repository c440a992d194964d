"""What an auditor asks of one database's audit: who touched this student, what did this person do."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.kit.postgres.pool import Connection

PAGE: Final = 1000
_COLUMNS: Final = "entry_id, at, actor, act, outcome, student_id, details"
_OF_STUDENT: Final = f"""
SELECT {_COLUMNS} FROM audit.entry WHERE student_id = $1 AND entry_id > $2 ORDER BY entry_id LIMIT {PAGE}
"""
# A service that acts for a person is named with them: `gateway: 王老师 (wang)`.
BY_ACTOR: Final = (
    "(actor = {0} OR (actor LIKE '%: %' AND right(actor, length({0}) + 2) IN (': ' || {0}, '(' || {0} || ')')))"
)
_OF_ACTOR: Final = f"""
SELECT {_COLUMNS} FROM audit.entry WHERE {BY_ACTOR.format("$1")} AND entry_id > $2 AND at >= $3
ORDER BY entry_id LIMIT {PAGE}
"""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    at: datetime
    actor: str
    act: str
    outcome: str
    student_id: str | None
    details: dict[str, Any]


def of_student(connection: Connection, student_id: str) -> AsyncIterator[AuditEntry]:
    """Oldest first, by the index; also from before the student was forgotten."""
    return _pages(connection, _OF_STUDENT, student_id)


def of_actor(connection: Connection, actor: str, since: datetime) -> AsyncIterator[AuditEntry]:
    """Oldest first. By the name in the audit, or by the person in it. Reads every entry."""
    return _pages(connection, _OF_ACTOR, actor, since)


async def _pages(connection: Connection, statement: str, subject: str, *values: Any) -> AsyncIterator[AuditEntry]:
    after = 0
    while True:
        rows = await connection.fetch(statement, subject, after, *values)
        for row in rows:
            yield entry_of(row)
        if len(rows) < PAGE:
            return
        after = rows[-1]["entry_id"]


def entry_of(row: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(
        row["at"], row["actor"], row["act"], row["outcome"], row["student_id"], json.loads(row["details"])
    )
