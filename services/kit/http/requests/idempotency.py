"""`Idempotency-Key` of a request, and the refusal of one that belongs to another request."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header

from services.kit.http.problems import Problem

KeyHeader = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="A key of the caller's choice for this request, for example a UUID. A repeated request with the "
        "same key and body gets the same answer and has no further effect.",
        examples=["6f0c8a52-3a0c-4a6e-9f43-2d7a53a1f0aa"],
    ),
]


class KeyReused(ValueError):
    """The key belongs to another operation or body."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """`fingerprint`: SHA-256 of operation and body."""

    principal: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, principal: str, key: str, operation: str) -> "IdempotencyKey":
        """`operation`: canonical text, body included."""
        return cls(principal, key, hashlib.sha256(operation.encode()).digest())


def key_reused() -> Problem:
    return Problem(
        422,
        "idempotency-key-reused",
        title="This Idempotency-Key was used for another request",
        errors=[
            {
                "field": "header Idempotency-Key",
                "problem": "It was sent before with another operation or body.",
                "remedy": "Use a new key for a new request, and the old one only to repeat the same request.",
            }
        ],
    )
