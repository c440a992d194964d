"""Server-side sessions: started, found, and ended."""

import secrets
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import structlog

from services.gateway.identity.provider import SessionsEnded
from services.gateway.tables.sessions.confirmed_roles import ROLES_CHECK_S
from services.gateway.tables.sessions.ending import end_where
from services.gateway.tables.sessions.session import (
    COLUMNS,
    OPEN_COLUMNS,
    OpenSession,
    Session,
    actor_of,
    handle_of,
    hashed,
    open_session,
    session_of,
    well_formed,
)
from services.gateway.tables.sessions.session_secrets import seal, session_key, unseal
from services.gateway.timeouts import bounded
from services.kit.audit.log import CLIENT_ADDRESS, append_entry

MAX_PER_PERSON: Final = 20
"""One sign-in more ends the oldest."""
_TOUCH_S: Final = 60
_OLDEST: Final = (
    "id_hash IN (SELECT id_hash FROM session WHERE issuer = $1 AND subject = $2 ORDER BY started_at DESC OFFSET $3)"
)
_NAMED: Final = "issuer = $1 AND ($2::text IS NULL OR subject = $2) AND ($3::text IS NULL OR sid = $3)"
_OF_SAME_PERSON: Final = f"""
SELECT {OPEN_COLUMNS} FROM session
WHERE (issuer, subject) = (SELECT issuer, subject FROM session WHERE id_hash = $1) AND expires_at > $2 AND seen_at > $3
ORDER BY started_at DESC
"""

_INSERT: Final = """
INSERT INTO session (id_hash, student_id, csrf, issuer, subject, authenticated_at, started_at, seen_at,
                     expires_at, roles, roles_confirmed_at, roles_due_at, sid, refresh_token,
                     id_token)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12, $13, $14)
"""

_log = structlog.get_logger(__name__)


class Sessions:
    """Methods may raise transient database errors."""

    def __init__(
        self, pool: "asyncpg.Pool[Any]", *, idle_s: int, life_s: int, roles_check_s: float = ROLES_CHECK_S
    ) -> None:
        self._pool = pool
        self.idle = timedelta(seconds=idle_s)
        self._life = timedelta(seconds=life_s)
        self._roles_check = timedelta(seconds=roles_check_s)
        self._touch = min(timedelta(seconds=_TOUCH_S), self.idle / 10)

    async def start(
        self,
        *,
        student_id: str | None,
        issuer: str,
        subject: str,
        authenticated_at: datetime,
        old: str | None,
        roles: Collection[str] = (),
        until: datetime | None = None,
        sid: str | None = None,
        refresh_token: str | None = None,
        id_token: str | None = None,
    ) -> str:
        """The id for the cookie. `old`, the browser's, ends here. `until`: if that comes before its life is over.

        `sid`: of the session at the provider. `refresh_token`: to ask there for the roles again.
        `id_token`: to end that session at sign-out.
        """
        session_id = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        expires_at = min(now + self._life, until or datetime.max.replace(tzinfo=UTC))
        async with self._pool.acquire() as connection, connection.transaction():
            if old is not None:
                await end_where(connection, "replaced", "id_hash = $1", hashed(old))
            await end_where(connection, "too-many", _OLDEST, issuer, subject, MAX_PER_PERSON - 1)
            await connection.execute(
                _INSERT,
                hashed(session_id),
                student_id,
                secrets.token_urlsafe(32),
                issuer,
                subject,
                authenticated_at,
                now,
                expires_at,
                sorted(roles),
                now if roles else None,
                now + self._roles_check if roles else None,
                sid,
                seal(session_id, refresh_token) if refresh_token and roles else None,
                seal(session_id, id_token, "ID token") if id_token else None,
            )
            handle = handle_of(hashed(session_id))
            await append_entry(
                connection,
                actor=actor_of(student_id, subject, roles),
                act="session.start",
                outcome="started",
                student_id=student_id,
                details={
                    "session": handle,
                    "key": session_key(session_id).public,
                    "roles": sorted(roles),
                    "authenticated_at": authenticated_at,
                },
            )
        _log.info("session.started", session=handle, staff=bool(roles), address=CLIENT_ADDRESS.get())
        return session_id

    async def find(self, session_id: str | None) -> Session | None:
        """Postpones the idle timeout."""
        if not well_formed(session_id):
            return None
        return await bounded(self._find(session_id))

    async def alive(self, id_hashes: Collection[bytes]) -> frozenset[bytes]:
        """Does not postpone the idle timeout."""
        rows = await bounded(
            self._pool.fetch(
                "SELECT id_hash FROM session WHERE id_hash = any($1::bytea[]) AND expires_at > $2 AND seen_at > $3",
                list(id_hashes),
                now := datetime.now(UTC),
                now - self.idle,
            )
        )
        return frozenset(bytes(row["id_hash"]) for row in rows)

    async def id_token(self, session: Session) -> str | None:
        """Of the sign-in, as the provider gave it."""
        sealed = await bounded(self._pool.fetchval("SELECT id_token FROM session WHERE id_hash = $1", session.id_hash))
        return sealed and unseal(session.secret, sealed, "ID token")

    async def end(self, id_hash: bytes, cause: str = "signed-out") -> None:
        await bounded(self._end(cause, "id_hash = $1", id_hash))

    async def end_by_provider(self, ended: SessionsEnded) -> tuple[bytes, ...] | None:
        """The hashes of the sessions ended, of all that is named; None if this message was taken before."""
        return await bounded(self._end_by_provider(ended))

    async def _end_by_provider(self, ended: SessionsEnded) -> tuple[bytes, ...] | None:
        named = (ended.issuer, ended.subject, ended.sid)
        async with self._pool.acquire() as connection, connection.transaction():
            if ended.token_id is not None and not await connection.fetchval(
                "INSERT INTO used_logout_token (digest, expires_at) VALUES ($1, $2)"
                " ON CONFLICT DO NOTHING RETURNING true",
                hashed(ended.token_id),
                ended.valid_until,
            ):
                return None
            await connection.execute(f"DELETE FROM number_choice WHERE {_NAMED}", *named)
            return await end_where(connection, "by-provider", _NAMED, *named, by="identity provider")

    async def of_same_person(self, session: Session) -> tuple[OpenSession, ...]:
        """Newest first, this one too."""
        now = datetime.now(UTC)
        rows = await bounded(self._pool.fetch(_OF_SAME_PERSON, session.id_hash, now, now - self.idle))
        return tuple(map(open_session, rows))

    async def end_elsewhere(self, session: Session, handle: str = "") -> tuple[bytes, ...]:
        """Ends the person's other sessions, or the one of `handle`. Returns their hashes."""
        ended = [
            one.id_hash
            for one in await self.of_same_person(session)
            if one.id_hash != session.id_hash and handle in ("", one.handle)
        ]
        await bounded(self._end("ended-elsewhere", "id_hash = ANY($1::bytea[])", ended))
        return tuple(ended)

    async def _end(self, cause: str, which: str, *values: Any) -> tuple[bytes, ...]:
        async with self._pool.acquire() as connection, connection.transaction():
            return await end_where(connection, cause, which, *values)

    async def _find(self, session_id: str) -> Session | None:
        now = datetime.now(UTC)
        query = f"SELECT {COLUMNS} FROM session WHERE id_hash = $1 AND expires_at > $2 AND seen_at > $3"
        found = await self._pool.fetch(query, hashed(session_id), now, now - self.idle)
        if not found:
            return None
        (row,) = found
        await self.touch((row,), now)
        return session_of(row, session_id)

    async def touch(self, found: Iterable[asyncpg.Record], now: datetime) -> None:
        """Of these rows, postpones the idle timeout of those not seen for a while."""
        due = [row["id_hash"] for row in found if now - row["seen_at"] > self._touch]
        if due:
            await self._pool.execute("UPDATE session SET seen_at = $2 WHERE id_hash = any($1::bytea[])", due, now)
