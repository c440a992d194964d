"""Idempotency keys: the same key from the same principal is one request, however often it is sent."""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.postgres.pool import Connection


class KeyReused(ValueError):
    """The key was used before for something else: the sender made a mistake, and nothing was done."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """`fingerprint` is of what was asked, so that a key used for two different things is noticed."""

    principal: str
    key: str
    fingerprint: bytes


def request_key(principal: str, key: str, asked: str) -> RequestKey:
    """A key over `asked`, the canonical text of the operation and its body."""
    return RequestKey(principal, key, hashlib.sha256(asked.encode()).digest())


async def stored_answer(connection: Connection, request: RequestKey) -> dict[str, Any] | None:
    """What this request was answered with before, or None. Serialises with the same key asked at the same time.

    Raises `KeyReused` when the key was used for something else.
    """
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{request.principal}\x1f{request.key}"
    )
    row = await connection.fetchrow(
        "SELECT fingerprint, answer FROM desk_request WHERE principal = $1 AND request_key = $2",
        request.principal,
        request.key,
    )
    if row is None:
        return None
    if row["fingerprint"] != request.fingerprint:
        raise KeyReused
    answer: dict[str, Any] = json.loads(row["answer"])
    return answer


async def store_answer(connection: Connection, request: RequestKey, answer: dict[str, Any]) -> None:
    await connection.execute(
        "INSERT INTO desk_request (principal, request_key, fingerprint, answer) VALUES ($1, $2, $3, $4)",
        request.principal,
        request.key,
        request.fingerprint,
        json.dumps(answer),
    )


KEPT: Final = timedelta(days=30)
"""A key is good for this long; a sender that repeats a request gives up sooner."""
_FORGET_EVERY_S: Final = 3600


async def forget(connection: Connection, before: datetime) -> int:
    """Delete what was answered before that instant; how many there were."""
    done = await connection.execute("DELETE FROM desk_request WHERE answered_at < $1", before)
    return int(done.rpartition(" ")[2])


async def keep_forgetting(pool: "asyncpg.Pool[Any]") -> None:
    """Forget answers older than `KEPT`, every hour until cancelled."""
    with suppress_instrumentation():
        while True:
            async with pool.acquire() as connection:
                await forget(connection, datetime.now(UTC) - KEPT)
            await asyncio.sleep(_FORGET_EVERY_S)
