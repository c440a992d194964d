"""Token buckets in the database, which every instance of the gateway takes from."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from services.gateway.timeouts import bounded

_TAKE: Final = """
INSERT INTO shared_limit AS held (key, level, at) VALUES ($1, $3::float8 - 1, now())
ON CONFLICT (key) DO UPDATE SET (level, at, refused) = (
    SELECT filled - (filled >= 1)::int, now(), filled < 1
    FROM (SELECT least($3::float8, held.level + extract(epoch FROM now() - held.at) * $2::float8)) AS bucket (filled)
)
RETURNING level, refused
"""


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """`rate` a second up to `burst`."""

    name: str
    rate: float
    burst: float


class SharedLimits:
    """Methods may raise transient database errors."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def take(self, limit: SharedLimit, key: str) -> float:
        """0.0 when granted, else the seconds after which it would be."""
        digest = hashlib.sha256(f"{limit.name} {key}".encode()).digest()
        row = await bounded(self._pool.fetchrow(_TAKE, digest, limit.rate, limit.burst))
        assert row is not None
        return (1.0 - float(row["level"])) / limit.rate if row["refused"] else 0.0
