"""Sign-ins that wait for the choice of a student number."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from services.gateway.tables.sessions.session import hashed
from services.gateway.tables.sessions.session_secrets import seal, unseal
from services.gateway.timeouts import bounded

LIFE_S: Final = 600


@dataclass(frozen=True, slots=True)
class NumberChoice:
    """Whom the provider has confirmed. `destination` names a page."""

    id_hash: bytes = field(repr=False)
    csrf: str = field(repr=False)
    issuer: str
    subject: str = field(repr=False)
    authenticated_at: datetime
    roles: frozenset[str]
    student_ids: tuple[str, ...] = field(repr=False)
    destination: str
    sid: str | None = None
    """Of the session at the provider."""
    id_token: str | None = field(default=None, repr=False)
    refresh_token: None = None
    """Not kept while a number is chosen: such a session of staff lasts as one without."""


class NumberChoices:
    """Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def start(
        self,
        *,
        issuer: str,
        subject: str,
        authenticated_at: datetime,
        roles: Collection[str],
        student_ids: Collection[str],
        destination: str,
        sid: str | None = None,
        id_token: str | None = None,
    ) -> str:
        """The id for the cookie."""
        choice_id = secrets.token_urlsafe(32)
        await bounded(
            self._pool.execute(
                """
                INSERT INTO number_choice (id_hash, csrf, issuer, subject, authenticated_at, roles, student_ids,
                                           destination, expires_at, sid, id_token)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                """,
                hashed(choice_id),
                secrets.token_urlsafe(32),
                issuer,
                subject,
                authenticated_at,
                sorted(roles),
                list(student_ids),
                destination,
                datetime.now(UTC) + timedelta(seconds=LIFE_S),
                sid,
                seal(choice_id, id_token, "ID token") if id_token else None,
            )
        )
        return choice_id

    async def find(self, choice_id: str | None) -> NumberChoice | None:
        if choice_id is None:
            return None
        row = await bounded(
            self._pool.fetchrow(
                """
                SELECT id_hash, csrf, issuer, subject, authenticated_at, roles, student_ids, destination, sid,
                       id_token
                FROM number_choice WHERE id_hash = $1 AND expires_at > $2
                """,
                hashed(choice_id),
                datetime.now(UTC),
            )
        )
        return row and NumberChoice(
            bytes(row["id_hash"]),
            row["csrf"],
            row["issuer"],
            row["subject"],
            row["authenticated_at"],
            frozenset(row["roles"]),
            tuple(row["student_ids"]),
            row["destination"],
            row["sid"],
            row["id_token"] and unseal(choice_id, row["id_token"], "ID token"),
        )

    async def end(self, id_hash: bytes) -> bool:
        """False if another request ended it first."""
        ended = await bounded(self._pool.execute("DELETE FROM number_choice WHERE id_hash = $1", id_hash))
        return ended == "DELETE 1"
