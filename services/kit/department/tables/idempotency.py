"""Idempotency keys: a principal's key is one request, however often sent."""

import json
from collections.abc import Mapping
from typing import Any, Final

from services.kit.http.requests.idempotency import IdempotencyKey, KeyReused
from services.kit.postgres.pool import Connection

STORE_ANSWER: Final = "INSERT INTO desk_request (principal, request_key, fingerprint, answer)"
ANSWER_TYPES: Final = ("text", "text", "bytea", "jsonb")


def lock_text(key: IdempotencyKey) -> str:
    """Text for `hashtextextended`."""
    return f"{key.principal}\x1f{key.key}"


async def stored_answer(connection: Connection, key: IdempotencyKey) -> dict[str, Any] | None:
    """Requests with one key wait for each other. Raises `KeyReused`."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", lock_text(key))
    row = await connection.fetchrow(
        "SELECT fingerprint, answer FROM desk_request WHERE principal = $1 AND request_key = $2", key.principal, key.key
    )
    return None if row is None else answer_of(row, key)


def answer_of(row: Mapping[str, Any], key: IdempotencyKey) -> dict[str, Any]:
    """Of the key's row. Raises `KeyReused`."""
    if row["fingerprint"] != key.fingerprint:
        raise KeyReused
    answer: dict[str, Any] = json.loads(row["answer"])
    return answer


async def store_answer(connection: Connection, key: IdempotencyKey, answer: dict[str, Any]) -> None:
    await connection.execute(f"{STORE_ANSWER} VALUES ($1, $2, $3, $4)", *answer_columns(key, answer))


def answer_columns(key: IdempotencyKey, answer: dict[str, Any]) -> tuple[str, str, bytes, str]:
    return key.principal, key.key, key.fingerprint, json.dumps(answer)
