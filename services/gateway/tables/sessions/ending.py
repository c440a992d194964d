"""Sessions that end before their time, in the audit and the log; in the caller's transaction."""

from typing import Any

import structlog

from services.gateway.tables.sessions.session import OPEN_COLUMNS, OpenSession, actor_of, handle_of, open_session
from services.kit.audit.log import CLIENT_ADDRESS, append_entries
from services.kit.names import STUDENT
from services.kit.postgres.pool import Connection

_log = structlog.get_logger(__name__)


async def end_where(
    connection: Connection, cause: str, which: str, *values: Any, by: str | None = None
) -> tuple[bytes, ...]:
    """`which`: a condition. Each is audited, by `by` or its own person. The hashes of those ended."""
    rows = await connection.fetch(
        f"DELETE FROM session WHERE {which} RETURNING id_hash, student_id, subject, roles", *values
    )
    by_actor: dict[str, list[tuple[str | None, dict[str, str]]]] = {}
    for row in rows:
        own = actor_of(row["student_id"], row["subject"], row["roles"])
        details = {"session": handle_of(row["id_hash"]), **({"account": row["subject"]} if own != STUDENT else {})}
        by_actor.setdefault(by or own, []).append((row["student_id"], details))
    for actor, about in by_actor.items():
        await append_entries(connection, actor=actor, act="session.end", outcome=cause, about=about)
    if rows:
        _log.info("session.ended", cause=cause, sessions=len(rows), address=CLIENT_ADDRESS.get())
    return tuple(bytes(row["id_hash"]) for row in rows)


async def sessions_of(connection: Connection, *, student_id: str, account: str) -> list[OpenSession]:
    """Of a student number, or of a provider's subject; ended by idleness or not."""
    rows = await connection.fetch(
        f"SELECT {OPEN_COLUMNS} FROM session WHERE student_id = $1 OR subject = $2 ORDER BY started_at DESC",
        student_id or None,
        account or None,
    )
    return list(map(open_session, rows))


async def end_all_of(connection: Connection, *, student_id: str, account: str, by: str) -> int:
    """Returns how many."""
    which = "student_id = $1 OR subject = $2"
    return len(await end_where(connection, "by-operator", which, student_id or None, account or None, by=by))
