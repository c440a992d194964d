"""Idempotency keys: a principal's key is one request, however often sent."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.http.idempotency import IdempotencyKey, KeyReused
from services.kit.postgres.pool import Connection

RETENTION: Final = timedelta(days=30)
_DELETE_EVERY_S: Final = 3600


async def stored_answer(connection: Connection, key: IdempotencyKey) -> dict[str, Any] | None:
    """Requests with one key wait for each other. Raises `KeyReused`."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{key.principal}\x1f{key.key}")
    row = await connection.fetchrow(
        "SELECT fingerprint, answer FROM desk_request WHERE principal = $1 AND request_key = $2", key.principal, key.key
    )
    if row is None:
        return None
    if row["fingerprint"] != key.fingerprint:
        raise KeyReused
    answer: dict[str, Any] = json.loads(row["answer"])
    return answer


async def store_answer(connection: Connection, key: IdempotencyKey, answer: dict[str, Any]) -> None:
    await connection.execute(
        "INSERT INTO desk_request (principal, request_key, fingerprint, answer) VALUES ($1, $2, $3, $4)",
        key.principal,
        key.key,
        key.fingerprint,
        json.dumps(answer),
    )


async def delete_answers(connection: Connection, before: datetime) -> int:
    done = await connection.execute("DELETE FROM desk_request WHERE answered_at < $1", before)
    return int(done.rpartition(" ")[2])


async def delete_old_answers(pool: "asyncpg.Pool[Any]") -> None:
    with suppress_instrumentation():
        while True:
            async with pool.acquire() as connection:
                await delete_answers(connection, datetime.now(UTC) - RETENTION)
            await asyncio.sleep(_DELETE_EVERY_S)
