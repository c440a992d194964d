"""Idempotency keys: a principal's key is one request, however often sent."""

import json
from typing import Any

from services.kit.http.requests.idempotency import IdempotencyKey, KeyReused
from services.kit.postgres.pool import Connection


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
