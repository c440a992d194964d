"""Roles of a session of staff: as the provider confirmed them last, and when it is asked again."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from services.gateway.tables.sessions.session import Session
from services.gateway.tables.sessions.session_secrets import seal, unseal
from services.gateway.timeouts import bounded
from services.kit.audit.log import append_entry

ROLES_CHECK_S: Final = 300.0
_RETRY: Final = timedelta(seconds=30)


class ConfirmedRoles:
    """Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]", *, check_s: float = ROLES_CHECK_S) -> None:
        self._pool = pool
        self._check = timedelta(seconds=check_s)

    async def due_refresh_token(self, session_id: str, session: Session) -> str | None:
        """For the one request that may ask the provider now."""
        now = datetime.now(UTC)
        sealed = await bounded(
            self._pool.fetchval(
                "UPDATE session SET roles_due_at = $2 WHERE id_hash = $1 AND roles_due_at <= $3"
                " RETURNING refresh_token",
                session.id_hash,
                now + _RETRY,
                now,
            )
        )
        return sealed and unseal(session_id, sealed)

    async def confirm(
        self,
        session_id: str,
        session: Session,
        roles: Collection[str],
        refresh_token: str | None,
        id_token: str | None = None,
    ) -> None:
        """The tokens: if the provider gave others. A role that is gone is audited."""
        await bounded(self._confirm(session_id, session, roles, refresh_token, id_token))

    async def _confirm(
        self,
        session_id: str,
        session: Session,
        roles: Collection[str],
        refresh_token: str | None,
        id_token: str | None,
    ) -> None:
        now = datetime.now(UTC)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                """
                UPDATE session SET roles = $2, roles_confirmed_at = $3, roles_due_at = $4,
                                   refresh_token = coalesce($5, refresh_token), id_token = coalesce($6, id_token)
                WHERE id_hash = $1
                """,
                session.id_hash,
                sorted(roles),
                now,
                now + self._check,
                seal(session_id, refresh_token) if refresh_token else None,
                seal(session_id, id_token, "ID token") if id_token else None,
            )
            if set(roles) != session.roles:
                await append_entry(
                    connection,
                    actor=session.actor,
                    act="session.roles",
                    outcome="reduced",
                    student_id=session.student_id or None,
                    details={"session": session.handle, "before": sorted(session.roles), "after": sorted(roles)},
                )
