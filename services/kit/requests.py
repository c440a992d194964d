"""Idempotency keys: the same key from the same principal is one request, however often it is sent."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from services.kit.database import Connection


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


async def answered(connection: Connection, request: RequestKey) -> dict[str, Any] | None:
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


async def remember(connection: Connection, request: RequestKey, answer: dict[str, Any]) -> None:
    await connection.execute(
        "INSERT INTO desk_request (principal, request_key, fingerprint, answer) VALUES ($1, $2, $3, $4)",
        request.principal,
        request.key,
        request.fingerprint,
        json.dumps(answer),
    )
