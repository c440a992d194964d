"""Audit log: an entry per decision or staff operation, in its transaction."""

import getpass
import json
import os
from typing import Any, Final

from services.kit.postgres.pool import Connection

FORGOTTEN: Final = "forgotten"
"""Outcome of the entry behind which nothing about the student is shown."""


async def append_entry(
    connection: Connection,
    *,
    actor: str,
    act: str,
    outcome: str,
    student_id: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """`actor`: a principal, `student` or a service (`/lixiao/clearance`).

    `details`: ids and versions, no name or student number.
    """
    await connection.execute(
        """
        WITH added AS (
            INSERT INTO audit.entry (actor, act, outcome, student_id, details) VALUES ($1, $2, $3, $4, $5)
            RETURNING entry_id
        )
        INSERT INTO audit.unsealed (entry_id) SELECT entry_id FROM added
        """,
        actor,
        act,
        outcome,
        student_id,
        json.dumps(details or {}, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str),
    )


async def entries_of(connection: Connection, student_id: str, *, limit: int) -> list[dict[str, Any]]:
    """`at`, `actor`, `act`, `outcome` and `details`, newest first. Nothing from before the student was forgotten."""
    rows = await connection.fetch(
        """
        SELECT at, actor, act, outcome, details FROM audit.entry
        WHERE student_id = $1 AND entry_id > coalesce(
            (SELECT max(entry_id) FROM audit.entry WHERE student_id = $1 AND outcome = $3), 0)
        ORDER BY entry_id DESC LIMIT $2
        """,
        student_id,
        limit,
        FORGOTTEN,
    )
    return [{**dict(row), "details": json.loads(row["details"])} for row in rows]


def command_line_actor() -> str:
    """User name, or uid."""
    try:
        return f"command line: {getpass.getuser()}"
    except (KeyError, OSError):
        return f"command line: uid {os.getuid()}"
