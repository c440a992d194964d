"""A request's session and the student's newest commands and comments, in one statement with those of other requests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from services.gateway.read_model.line_comment import LineComment
from services.gateway.read_model.types import Command
from services.gateway.tables import commands, line_comments
from services.gateway.tables.sessions.session import COLUMNS, Session, hashed, session_of, well_formed
from services.gateway.tables.sessions.session_table import Sessions
from services.gateway.timeouts import bounded
from services.kit.postgres.coalescing import CoalescedReads

# By key before anything else: a plan that is made while the table is empty looks at all that have not expired.
VISITS: Final = f"""
SELECT {COLUMNS},
       (SELECT json_agg(newest ORDER BY department, name) FROM (
            SELECT DISTINCT ON (department, name) {commands.COLUMNS} FROM command
            WHERE command.student_id = session.student_id ORDER BY department, name, asked_at DESC
        ) AS newest) AS commands,
       (SELECT json_agg(newest ORDER BY department, check_name) FROM (
            SELECT DISTINCT ON (department, check_name) {line_comments.COLUMNS} FROM line_comment
            WHERE line_comment.student_id = session.student_id ORDER BY department, check_name, asked_at DESC
        ) AS newest) AS comments
FROM (SELECT * FROM session WHERE id_hash = any($1::bytea[]) OFFSET 0) AS session
WHERE expires_at > $2 AND seen_at > $3
"""


NONE: Final = "[]"


@dataclass(frozen=True, slots=True)
class Visit:
    """`command_rows`, `comment_rows`: JSON; two that are equal are the same commands or comments."""

    session: Session
    command_rows: str
    comment_rows: str

    @property
    def is_quiet(self) -> bool:
        """Without commands and comments."""
        return self.command_rows == self.comment_rows == NONE

    def commands(self) -> tuple[Command, ...]:
        """The newest of each name."""
        return tuple(commands.command_of(row) for row in json.loads(self.command_rows))

    def comments(self) -> tuple[LineComment, ...]:
        """The newest about each check."""
        return tuple(line_comments.comment_of(row) for row in json.loads(self.comment_rows))


class Visits:
    def __init__(self, pool: "asyncpg.Pool[Any]", table: Sessions) -> None:
        self._pool, self._sessions = pool, table
        self._reads = CoalescedReads(self._find)

    async def find(self, session_id: str | None) -> Visit | None:
        """None without a session. Postpones the idle timeout. May raise transient database errors."""
        if not well_formed(session_id):
            return None
        return await self._reads.get(hashed(session_id))

    async def _find(self, id_hashes: list[bytes]) -> Mapping[bytes, Visit]:
        return await bounded(self._fetch(id_hashes))

    async def _fetch(self, id_hashes: list[bytes]) -> dict[bytes, Visit]:
        now = datetime.now(UTC)
        rows = await self._pool.fetch(VISITS, id_hashes, now, now - self._sessions.idle)
        await self._sessions.touch(rows, now)
        return {
            row["id_hash"]: Visit(session_of(row), row["commands"] or NONE, row["comments"] or NONE) for row in rows
        }
