"""Signing keys of forms: private parts in a folder, public parts in the database.

A retired key still verifies, a revoked one (its file leaked) does not. `kid` begins the RFC 7638 thumbprint.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from joserfc.jwk import OKPKey

from schemas.flows import CLEARANCE, source_of
from services.kit.audit.log import append_entry
from services.kit.names import AdvisoryLock
from services.kit.postgres.pool import Connection
from services.kit.receipts.jws import ALGORITHM, kid_of, public_keys
from services.kit.runtime.private_files import write_private

KID_CHARACTERS: Final = 16
KID: Final = re.compile(rf"[A-Za-z0-9_-]{{{KID_CHARACTERS}}}")
_RETIRED: Final = "INSERT INTO signing_key (kid, public_jwk, retired_at) VALUES ($1, $2, clock_timestamp())"
_LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
_SIGNS: Final = "SELECT kid FROM signing_key WHERE retired_at IS NULL"


class KeyMissing(RuntimeError):
    """The signing key's private part is not in the folder."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    kid: str
    created_at: datetime
    retired_at: datetime | None
    revoked_at: datetime | None
    has_file: bool


class Keyring:
    """Methods take part in the caller's transaction."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, OKPKey] = {}

    async def signer(self, connection: Connection) -> tuple[str, OKPKey]:
        """(kid, signing key). Raises `KeyMissing`."""
        kid = await connection.fetchval(_SIGNS)
        if kid is None:
            raise KeyMissing("there is no signing key: make one with `python -m services.clearance keys rotate`")
        if kid not in self._loaded:
            self._loaded[kid] = self._load(kid)
        return kid, self._loaded[kid]

    async def missing(self, connection: Connection) -> str | None:
        """Why forms cannot be signed after a restart, or None. No personal data."""
        kid = await connection.fetchval(_SIGNS)
        return None if kid and self._path(kid).exists() else f"the file of the signing key {kid} is not in the folder"

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
        """False if no retired key has this kid."""
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

    async def list_keys(self, connection: Connection) -> list[KeyInfo]:
        rows = await connection.fetch(
            "SELECT kid, created_at, retired_at, revoked_at FROM signing_key ORDER BY created_at"
        )
        return [KeyInfo(**dict(row), has_file=self._path(row["kid"]).exists()) for row in rows]

    async def verifying(self, connection: Connection, receipt: str) -> dict[str, OKPKey]:
        """Public keys by kid. One that this database lost, and whose file is here, verifies again."""
        kid = kid_of(receipt)
        known = await connection.fetchval("SELECT EXISTS (SELECT FROM signing_key WHERE kid = $1)", kid)
        if kid is not None and KID.fullmatch(kid) and not known and self._path(kid).exists():
            public = json.dumps(public_jwk(kid, self._load(kid)))
            await connection.execute(_RETIRED, kid, public)
            source = source_of(CLEARANCE)
            await append_entry(connection, actor=source, act="key.add", outcome="restored", details={"kid": kid})
        return public_keys((await jwk_set(connection))["keys"])

    async def _add(self, connection: Connection, *, actor: str) -> str:
        key = OKPKey.generate_key(ALGORITHM)
        kid = key.thumbprint()[:KID_CHARACTERS]
        # The file first: a listed key without a file would stop every submission.
        write_private(self._path(kid), json.dumps({**key.as_dict(private=True), "kid": kid}))
        await connection.execute(
            "INSERT INTO signing_key (kid, public_jwk) VALUES ($1, $2)", kid, json.dumps(public_jwk(kid, key))
        )
        await append_entry(connection, actor=actor, act="key.add", outcome="added", details={"kid": kid})
        return kid

    def _path(self, kid: str) -> Path:
        return self._folder / f"{kid}.jwk"

    def _load(self, kid: str) -> OKPKey:
        try:
            return OKPKey.import_key(json.loads(self._path(kid).read_text("utf-8")))
        except FileNotFoundError:
            raise KeyMissing(f"the folder of keys has no file {kid}.jwk: bring it here, or rotate the key") from None


async def file_missing(keyring: Keyring, pool: "asyncpg.Pool[Any]") -> str | None:
    """A warning of readiness."""
    async with pool.acquire() as connection:
        return await keyring.missing(connection)


def public_jwk(kid: str, key: OKPKey) -> dict[str, Any]:
    """As RFC 7517 and RFC 8037."""
    return {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}


async def jwk_set(connection: Connection) -> dict[str, Sequence[Any]]:
    rows = await connection.fetch("SELECT public_jwk FROM signing_key WHERE revoked_at IS NULL ORDER BY created_at")
    return {"keys": [json.loads(row["public_jwk"]) for row in rows]}
