"""Signing keys of forms: private parts in a store, public parts in the database.

A retired key still verifies, a revoked one (its private part leaked) does not.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
from joserfc.jwk import OKPKey

from schemas.flows import CLEARANCE, source_of
from services.clearance.receipts.private_keys.in_thread import in_thread
from services.clearance.receipts.private_keys.store import KeyMissing, KeyStore
from services.kit.audit.log import append_entry
from services.kit.names import AdvisoryLock
from services.kit.postgres.pool import Connection
from services.kit.receipts.jws import ALGORITHM, Signer, kid_of, public_keys

_RETIRED: Final = "INSERT INTO signing_key (kid, public_jwk, retired_at) VALUES ($1, $2, clock_timestamp())"
_LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
_SIGNS: Final = "SELECT kid FROM signing_key WHERE retired_at IS NULL"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    kid: str
    created_at: datetime
    retired_at: datetime | None
    revoked_at: datetime | None
    has_private: bool
    """Its private part is in the store that is used here."""


class Keyring:
    """Methods take part in the caller's transaction."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    async def signer(self, connection: Connection) -> Signer:
        """Of the key that signs. Raises `KeyMissing`."""
        kid = await connection.fetchval(_SIGNS)
        if kid is None:
            raise KeyMissing("there is no signing key: make one with `python -m services.clearance keys rotate`")
        return await in_thread(self._store.signer, kid)

    async def missing(self, connection: Connection) -> str | None:
        """Why forms cannot be signed after a restart, or None. No personal data."""
        kid = await connection.fetchval(_SIGNS)
        try:
            held = kid is not None and await in_thread(self._store.holds, kid)
        except KeyMissing as away:
            return str(away)
        return None if held else f"the private part of the signing key {kid} is not in {self._store.place}"

    async def ensure(self, connection: Connection) -> str:
        """The signing key's kid; makes the first key."""
        await connection.execute(_LOCK, AdvisoryLock.SIGNING_KEY)
        kid = await connection.fetchval(_SIGNS)
        return kid or await self._add(connection, actor=source_of(CLEARANCE))

    async def rotate(self, connection: Connection, *, actor: str) -> str:
        """Make the key that signs from now on."""
        await connection.execute(_LOCK, AdvisoryLock.SIGNING_KEY)
        await connection.execute("UPDATE signing_key SET retired_at = clock_timestamp() WHERE retired_at IS NULL")
        return await self._add(connection, actor=actor)

    async def revoke(self, connection: Connection, kid: str, *, actor: str) -> bool:
        """False if no retired key has this kid. What held its private part may still do: see `destroy`."""
        revoked = await connection.fetchval(
            """
            UPDATE signing_key SET revoked_at = clock_timestamp()
            WHERE kid = $1 AND retired_at IS NOT NULL AND revoked_at IS NULL RETURNING true
            """,
            kid,
        )
        if revoked:
            await append_entry(connection, actor=actor, act="key.revoke", outcome="revoked", details={"kid": kid})
        return bool(revoked)

    async def destroy(self, connection: Connection, kid: str, *, actor: str) -> bool:
        """The private part of a revoked key. False if the store has none, or the key is not revoked."""
        found = "SELECT EXISTS (SELECT FROM signing_key WHERE kid = $1 AND revoked_at IS NOT NULL)"
        destroyed = await connection.fetchval(found, kid) and await in_thread(self._store.destroy, kid)
        if destroyed:
            await append_entry(connection, actor=actor, act="key.destroy", outcome="destroyed", details={"kid": kid})
        return bool(destroyed)

    async def list_keys(self, connection: Connection) -> list[KeyInfo]:
        rows = await connection.fetch(
            "SELECT kid, created_at, retired_at, revoked_at FROM signing_key ORDER BY created_at"
        )
        return [KeyInfo(**dict(row), has_private=await in_thread(self._store.holds, row["kid"])) for row in rows]

    async def verifying(self, connection: Connection, receipt: str) -> dict[str, OKPKey]:
        """Public keys by kid. One that this database lost, and whose private part is here, verifies again."""
        kid = kid_of(receipt)
        known = await connection.fetchval("SELECT EXISTS (SELECT FROM signing_key WHERE kid = $1)", kid)
        if kid is not None and not known and await in_thread(self._store.holds, kid):
            public = json.dumps(public_jwk(kid, await in_thread(self._store.public, kid)))
            await connection.execute(_RETIRED, kid, public)
            source = source_of(CLEARANCE)
            await append_entry(connection, actor=source, act="key.add", outcome="restored", details={"kid": kid})
        return public_keys((await jwk_set(connection))["keys"])

    async def _add(self, connection: Connection, *, actor: str) -> str:
        # The private part first: a listed key without it would stop every submission.
        kid, public = await in_thread(self._store.make)
        await connection.execute(
            "INSERT INTO signing_key (kid, public_jwk) VALUES ($1, $2)", kid, json.dumps(public_jwk(kid, public))
        )
        await append_entry(connection, actor=actor, act="key.add", outcome="added", details={"kid": kid})
        return kid


async def key_missing(keyring: Keyring, pool: "asyncpg.Pool[Any]") -> str | None:
    """A warning of readiness."""
    async with pool.acquire() as connection:
        return await keyring.missing(connection)


def public_jwk(kid: str, key: OKPKey) -> dict[str, Any]:
    """As RFC 7517 and RFC 8037."""
    return {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}


async def jwk_set(connection: Connection) -> dict[str, Sequence[Any]]:
    rows = await connection.fetch("SELECT public_jwk FROM signing_key WHERE revoked_at IS NULL ORDER BY created_at")
    return {"keys": [json.loads(row["public_jwk"]) for row in rows]}
