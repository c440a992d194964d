"""Server-side sessions: the browser holds a random id, the table its hash."""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeGuard

import asyncpg
import structlog

from services.gateway.tables.sealed_tokens import seal, unseal
from services.gateway.timeouts import bounded
from services.kit.audit.log import CLIENT_ADDRESS, append_entries, append_entry
from services.kit.names import STUDENT
from services.kit.postgres.pool import Connection

MAX_PER_PERSON: Final = 20
"""One sign-in more ends the oldest."""
ROLES_CHECK_S: Final = 300.0
_ROLES_RETRY: Final = timedelta(seconds=30)
_ID_CHARACTERS: Final = range(32, 129)
COLUMNS: Final = (
    "id_hash, student_id, csrf, authenticated_at, expires_at, subject, roles, roles_confirmed_at, roles_due_at, seen_at"
)
"""Of a `Session`, and when it was used."""
_TOUCH_S: Final = 60
_OLDEST: Final = (
    "id_hash IN (SELECT id_hash FROM session WHERE issuer = $1 AND subject = $2 ORDER BY started_at DESC OFFSET $3)"
)
_NAMED: Final = "issuer = $1 AND ($2::text IS NULL OR subject = $2) AND ($3::text IS NULL OR sid = $3)"
_OPEN_COLUMNS: Final = "id_hash, student_id, subject, started_at, seen_at"
_OF_SAME_PERSON: Final = f"""
SELECT {_OPEN_COLUMNS} FROM session
WHERE (issuer, subject) = (SELECT issuer, subject FROM session WHERE id_hash = $1) AND expires_at > $2 AND seen_at > $3
ORDER BY started_at DESC
"""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """The only source of the student id, which is empty for staff. `account` is the subject."""

    id_hash: bytes = field(repr=False)
    student_id: str = field(repr=False)
    csrf: str = field(repr=False)
    authenticated_at: datetime
    expires_at: datetime
    account: str = field(default="", repr=False)
    roles: frozenset[str] = frozenset()
    roles_confirmed_at: datetime | None = None
    roles_due_at: datetime | None = None
    """When the provider last confirmed them, and is to be asked again."""

    @property
    def handle(self) -> str:
        """Names it in the audit."""
        return _handle(self.id_hash)

    @property
    def actor(self) -> str:
        """As the audit names the person."""
        return _actor(self.student_id, self.account, self.roles)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """`account` is the subject; `handle` names it to its own person and to operators."""

    id_hash: bytes = field(repr=False)
    student_id: str = field(repr=False)
    account: str = field(repr=False)
    started_at: datetime
    seen_at: datetime

    @property
    def handle(self) -> str:
        return _handle(self.id_hash)


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
    ) -> str:
        """The id for the cookie. `old`, the browser's, ends here. `until`: if that comes before its life is over.

        `sid`: of the session at the provider. `refresh_token`: to ask there for the roles again.
        """
        session_id = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        expires_at = min(now + self._life, until or datetime.max.replace(tzinfo=UTC))
        async with self._pool.acquire() as connection, connection.transaction():
            if old is not None:
                await _end(connection, "replaced", "id_hash = $1", hashed(old))
            await _end(connection, "too-many", _OLDEST, issuer, subject, MAX_PER_PERSON - 1)
            await connection.execute(
                """
                INSERT INTO session (id_hash, student_id, csrf, issuer, subject, authenticated_at, started_at, seen_at,
                                     expires_at, roles, roles_confirmed_at, roles_due_at, sid, refresh_token)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12, $13)
                """,
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
            )
            handle = _handle(hashed(session_id))
            await append_entry(
                connection,
                actor=_actor(student_id, subject, roles),
                act="session.start",
                outcome="started",
                student_id=student_id,
                details={"session": handle, "roles": sorted(roles), "authenticated_at": authenticated_at},
            )
        _log.info("session.started", session=handle, staff=bool(roles), address=CLIENT_ADDRESS.get())
        return session_id

    async def find(self, session_id: str | None) -> Session | None:
        """Postpones the idle timeout."""
        if not well_formed(session_id):
            return None
        return await bounded(self._find(hashed(session_id)))

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

    async def end(self, id_hash: bytes, cause: str = "signed-out") -> None:
        await bounded(self._end(cause, "id_hash = $1", id_hash))

    async def end_by_provider(
        self, *, issuer: str, subject: str | None, sid: str | None, token_id: str, valid_until: datetime
    ) -> tuple[bytes, ...] | None:
        """The hashes of the sessions ended, of all that is named; None if this logout token was taken before."""
        return await bounded(self._end_by_provider(issuer, subject, sid, token_id, valid_until))

    async def _end_by_provider(
        self, issuer: str, subject: str | None, sid: str | None, token_id: str, valid_until: datetime
    ) -> tuple[bytes, ...] | None:
        async with self._pool.acquire() as connection, connection.transaction():
            new = await connection.fetchval(
                "INSERT INTO used_logout_token (digest, expires_at) VALUES ($1, $2)"
                " ON CONFLICT DO NOTHING RETURNING true",
                hashed(token_id),
                valid_until,
            )
            if not new:
                return None
            await connection.execute(f"DELETE FROM number_choice WHERE {_NAMED}", issuer, subject, sid)
            return await _end(connection, "by-provider", _NAMED, issuer, subject, sid, by="identity provider")

    async def due_refresh_token(self, session_id: str, session: Session) -> str | None:
        """For the one request that may ask the provider now."""
        now = datetime.now(UTC)
        sealed = await bounded(
            self._pool.fetchval(
                "UPDATE session SET roles_due_at = $2 WHERE id_hash = $1 AND roles_due_at <= $3"
                " RETURNING refresh_token",
                session.id_hash,
                now + _ROLES_RETRY,
                now,
            )
        )
        return sealed and unseal(session_id, sealed)

    async def confirm_roles(
        self, session_id: str, session: Session, roles: Collection[str], refresh_token: str | None
    ) -> None:
        """`refresh_token`: if the provider gave another. A role that is gone is audited."""
        await bounded(self._confirm_roles(session_id, session, roles, refresh_token))

    async def _confirm_roles(
        self, session_id: str, session: Session, roles: Collection[str], refresh_token: str | None
    ) -> None:
        now = datetime.now(UTC)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                """
                UPDATE session SET roles = $2, roles_confirmed_at = $3, roles_due_at = $4,
                                   refresh_token = coalesce($5, refresh_token)
                WHERE id_hash = $1
                """,
                session.id_hash,
                sorted(roles),
                now,
                now + self._roles_check,
                seal(session_id, refresh_token) if refresh_token else None,
            )
            if set(roles) != session.roles:
                await append_entry(
                    connection,
                    actor=session.actor,
                    act="session.roles",
                    outcome="reduced",
                    student_id=session.student_id or None,
                    details={
                        "session": _handle(session.id_hash),
                        "before": sorted(session.roles),
                        "after": sorted(roles),
                    },
                )

    async def of_same_person(self, session: Session) -> tuple[OpenSession, ...]:
        """Newest first, this one too."""
        now = datetime.now(UTC)
        rows = await bounded(self._pool.fetch(_OF_SAME_PERSON, session.id_hash, now, now - self.idle))
        return tuple(map(_open_session, rows))

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
            return await _end(connection, cause, which, *values)

    async def _find(self, id_hash: bytes) -> Session | None:
        now = datetime.now(UTC)
        row = await self._pool.fetchrow(
            f"SELECT {COLUMNS} FROM session WHERE id_hash = $1 AND expires_at > $2 AND seen_at > $3",
            id_hash,
            now,
            now - self.idle,
        )
        if row is None:
            return None
        await self.touch((row,), now)
        return session_of(row)

    async def touch(self, found: Iterable[asyncpg.Record], now: datetime) -> None:
        """Of these rows, postpones the idle timeout of those not seen for a while."""
        due = [row["id_hash"] for row in found if now - row["seen_at"] > self._touch]
        if due:
            await self._pool.execute("UPDATE session SET seen_at = $2 WHERE id_hash = any($1::bytea[])", due, now)


def session_of(row: asyncpg.Record) -> Session:
    """`row` has `COLUMNS`."""
    return Session(
        row["id_hash"],
        row["student_id"] or "",
        row["csrf"],
        row["authenticated_at"],
        row["expires_at"],
        row["subject"],
        frozenset(row["roles"]),
        row["roles_confirmed_at"],
        row["roles_due_at"],
    )


def well_formed(session_id: str | None) -> TypeGuard[str]:
    return session_id is not None and len(session_id) in _ID_CHARACTERS


async def sessions_of(connection: Connection, *, student_id: str, account: str) -> list[OpenSession]:
    """Of a student number, or of a provider's subject; ended by idleness or not."""
    rows = await connection.fetch(
        f"SELECT {_OPEN_COLUMNS} FROM session WHERE student_id = $1 OR subject = $2 ORDER BY started_at DESC",
        student_id or None,
        account or None,
    )
    return list(map(_open_session, rows))


async def end_all_of(connection: Connection, *, student_id: str, account: str, by: str) -> int:
    """Returns how many."""
    which = "student_id = $1 OR subject = $2"
    return len(await _end(connection, "by-operator", which, student_id or None, account or None, by=by))


async def _end(
    connection: Connection, cause: str, which: str, *values: Any, by: str | None = None
) -> tuple[bytes, ...]:
    """In a transaction; each is audited, by `by` or its own person. The hashes of those ended."""
    rows = await connection.fetch(
        f"DELETE FROM session WHERE {which} RETURNING id_hash, student_id, subject, roles", *values
    )
    by_actor: dict[str, list[tuple[str | None, dict[str, str]]]] = {}
    for row in rows:
        own = _actor(row["student_id"], row["subject"], row["roles"])
        details = {"session": _handle(row["id_hash"]), **({"account": row["subject"]} if own != STUDENT else {})}
        by_actor.setdefault(by or own, []).append((row["student_id"], details))
    for actor, about in by_actor.items():
        await append_entries(connection, actor=actor, act="session.end", outcome=cause, about=about)
    if rows:
        _log.info("session.ended", cause=cause, sessions=len(rows), address=CLIENT_ADDRESS.get())
    return tuple(bytes(row["id_hash"]) for row in rows)


def _actor(student_id: str | None, subject: str, roles: Collection[str]) -> str:
    """As the audit names them: of staff the subject."""
    return STUDENT if student_id and not roles else subject


def _handle(id_hash: bytes) -> str:
    return id_hash.hex()[:16]


def _open_session(row: Mapping[str, Any]) -> OpenSession:
    return OpenSession(
        bytes(row["id_hash"]), row["student_id"] or "", row["subject"], row["started_at"], row["seen_at"]
    )


def hashed(session_id: str) -> bytes:
    """SHA-256 is enough: the id has 256 random bits."""
    return hashlib.sha256(session_id.encode()).digest()
