"""Students' comments on their checks, and the departments' answers, which open pages are told of."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import asyncpg

from services.gateway.read_model.line_comment import LineComment
from services.gateway.tables.shared_limits import SharedLimit, SharedLimits
from services.gateway.timeouts import bounded
from services.kit.audit.log import append_entry
from services.kit.names import COMMAND_CHANNEL, STUDENT
from services.kit.postgres.pool import Connection

COLUMNS: Final = "comment_id, department, check_name, text, asked_at, answer, answered_at, answered_by"
OF_A_DAY: Final = SharedLimit("line-comment", rate=5 / 86_400, burst=5)
"""Of a student."""
MAX_OPEN: Final = 1_000
"""Considered in a work list."""
_NEWEST: Final = 20

Written = Literal["written", "open-before", "too-many"]


class LineComments:
    """Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]", limits: SharedLimits) -> None:
        self._pool = pool
        self._limits = limits

    async def write(self, student_id: str, department: str, check: str, text: str, *, asked_in: str) -> Written:
        """`open-before`: one about this check waits for its answer. `asked_in`: the handle of the session."""
        if await bounded(self._is_open(student_id, department, check)):
            return "open-before"
        if await self._limits.take(OF_A_DAY, student_id):
            return "too-many"
        return await bounded(self._write(student_id, department, check, text, asked_in), timeout_s=10)

    async def answer(self, comment_id: UUID, department: str, text: str, *, by: str, account: str) -> bool:
        """False for none that is open at the department. `by`: shown to the staff; `account`: in the audit."""
        return await bounded(self._answer(comment_id, department, text, by, account), timeout_s=10)

    async def newest_of(self, student_ids: Collection[str]) -> dict[str, tuple[LineComment, ...]]:
        """Of each check, by student."""
        rows = await bounded(
            self._pool.fetch(
                f"""
                SELECT DISTINCT ON (student_id, department, check_name) student_id, {COLUMNS} FROM line_comment
                WHERE student_id = any($1::text[]) ORDER BY student_id, department, check_name, asked_at DESC
                """,
                list(student_ids),
            )
        )
        found: dict[str, list[LineComment]] = {}
        for row in rows:
            found.setdefault(row["student_id"], []).append(comment_of(row))
        return {student_id: tuple(comments) for student_id, comments in found.items()}

    async def at(self, department: str, student_id: str) -> tuple[LineComment, ...]:
        """Newest first."""
        rows = await bounded(
            self._pool.fetch(
                f"""
                SELECT {COLUMNS} FROM line_comment WHERE student_id = $1 AND department = $2
                ORDER BY asked_at DESC LIMIT {_NEWEST}
                """,
                student_id,
                department,
            )
        )
        return tuple(map(comment_of, rows))

    async def open_at(self, department: str) -> dict[str, datetime]:
        """Student → since when the oldest one waits; of the `MAX_OPEN` that wait longest."""
        rows = await bounded(
            self._pool.fetch(
                f"""
                SELECT student_id, asked_at FROM line_comment WHERE department = $1 AND answered_at IS NULL
                ORDER BY asked_at LIMIT {MAX_OPEN}
                """,
                department,
            )
        )
        since: dict[str, datetime] = {}
        for row in rows:
            since.setdefault(row["student_id"], row["asked_at"])
        return since

    async def _is_open(self, student_id: str, department: str, check: str) -> bool:
        statement = """
        SELECT EXISTS (SELECT FROM line_comment WHERE (student_id, department, check_name) = ($1, $2, $3)
                       AND answered_at IS NULL)
        """
        return bool(await self._pool.fetchval(statement, student_id, department, check))

    async def _write(self, student_id: str, department: str, check: str, text: str, asked_in: str) -> Written:
        async with self._pool.acquire() as connection, connection.transaction():
            comment_id = await connection.fetchval(
                """
                INSERT INTO line_comment (comment_id, student_id, department, check_name, text, asked_at)
                VALUES ($1, $2, $3, $4, $5, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING comment_id
                """,
                uuid4(),
                student_id,
                department,
                check,
                text,
            )
            if comment_id is None:
                return "open-before"
            details = {"comment": comment_id, "check": f"{department}.{check}", "session": asked_in}
            await _audit(connection, STUDENT, "comment.write", "written", student_id, details)
        return "written"

    async def _answer(self, comment_id: UUID, department: str, text: str, by: str, account: str) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                """
                UPDATE line_comment SET answer = $3, answered_at = clock_timestamp(), answered_by = $4
                WHERE comment_id = $1 AND department = $2 AND answered_at IS NULL RETURNING student_id, check_name
                """,
                comment_id,
                department,
                text,
                by,
            )
            if row is None:
                return False
            details = {"comment": comment_id, "check": f"{department}.{row['check_name']}"}
            await _audit(connection, account, "comment.answer", "answered", row["student_id"], details)
        return True


async def _audit(
    connection: Connection, actor: str, act: str, outcome: str, student_id: str, details: Mapping[str, Any]
) -> None:
    await append_entry(connection, actor=actor, act=act, outcome=outcome, student_id=student_id, details=details)
    await connection.execute("SELECT pg_notify($1, '')", COMMAND_CHANNEL)


def comment_of(row: asyncpg.Record | Mapping[str, Any]) -> LineComment:
    """`row` of the table, or as JSON."""
    answered_at = row["answered_at"]
    return LineComment(
        UUID(str(row["comment_id"])),
        row["department"],
        row["check_name"],
        row["text"],
        _instant(row["asked_at"]),
        row["answer"] or "",
        _instant(answered_at) if answered_at else None,
        row["answered_by"] or "",
    )


def _instant(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
