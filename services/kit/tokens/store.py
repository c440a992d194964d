"""Access tokens of persons and systems: only their digests are stored."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.kit.audit.log import append_entry
from services.kit.postgres.pool import Connection

PREFIX: Final = "lx_"
"""Lets a secret scanner find one in a file."""
_SECRET_BYTES: Final = 32
_USED_EVERY_S: Final = 60
_VALID: Final = "revoked_at IS NULL AND expires_at > now()"


class NoSuchToken(Exception):
    pass


class TokenExists(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Principal:
    """`name` is what the audit records."""

    name: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class StoredToken:
    name: str
    roles: tuple[str, ...]
    made_by: str
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


def token_sha256(token: str) -> str:
    """Unsalted: tokens are long and random."""
    return hashlib.sha256(token.encode()).hexdigest()


async def make(connection: Connection, name: str, roles: Collection[str], *, life: timedelta, by: str) -> str:
    """The token, which is not kept. Raises `TokenExists` while another of the name is valid."""
    if await connection.fetchval(f"SELECT true FROM access_token WHERE name = $1 AND {_VALID}", name):
        raise TokenExists
    token = await _insert(connection, name, sorted(roles), life, by)
    await append_entry(connection, actor=by, act="token.make", outcome="done", details={"token": name, "roles": roles})
    return token


async def rotate(connection: Connection, name: str, *, overlap: timedelta, life: timedelta, by: str) -> str:
    """Another token; the ones before end after `overlap`. Raises `NoSuchToken`."""
    ending = await connection.fetch(
        f"""
        UPDATE access_token SET expires_at = least(expires_at, now() + $2) WHERE name = $1 AND {_VALID} RETURNING roles
        """,
        name,
        overlap,
    )
    if not ending:
        raise NoSuchToken
    token = await _insert(connection, name, ending[-1]["roles"], life, by)
    await append_entry(connection, actor=by, act="token.rotate", outcome="done", details={"token": name})
    return token


async def revoke(connection: Connection, name: str, *, by: str) -> None:
    """Raises `NoSuchToken`."""
    ended = await connection.fetch(
        f"UPDATE access_token SET revoked_at = now() WHERE name = $1 AND {_VALID} RETURNING token_id", name
    )
    if not ended:
        raise NoSuchToken
    await append_entry(connection, actor=by, act="token.revoke", outcome="done", details={"token": name})


async def listed(connection: Connection) -> list[StoredToken]:
    """The newest last."""
    names = ", ".join(StoredToken.__dataclass_fields__)
    rows = await connection.fetch(f"SELECT {names} FROM access_token ORDER BY name, token_id")
    return [StoredToken(**{**row, "roles": tuple(row["roles"])}) for row in rows]


async def principal_of(connection: Connection, digest: str) -> Principal | None:
    """Notes the use, at most once a minute."""
    row = await connection.fetchrow(
        f"""
        WITH found AS (
            SELECT token_id, name, roles, last_used_at FROM access_token WHERE token_sha256 = $1 AND {_VALID}
        ), used AS (
            UPDATE access_token SET last_used_at = now() FROM found
            WHERE access_token.token_id = found.token_id
              AND (found.last_used_at IS NULL OR found.last_used_at < now() - $2::interval)
        )
        SELECT name, roles FROM found
        """,
        digest,
        timedelta(seconds=_USED_EVERY_S),
    )
    return Principal(row["name"], frozenset(row["roles"])) if row else None


async def _insert(connection: Connection, name: str, roles: Collection[str], life: timedelta, by: str) -> str:
    token = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    await connection.execute(
        "INSERT INTO access_token (name, token_sha256, roles, made_by, expires_at) VALUES ($1, $2, $3, $4, now() + $5)",
        name,
        token_sha256(token),
        list(roles),
        by,
        life,
    )
    return token
