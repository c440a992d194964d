"""A session: the browser holds a random id, the table its hash."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeGuard

from services.gateway.tables.sessions.session_secrets import session_key
from services.kit.names import STUDENT
from services.kit.signing.session_proofs import A

COLUMNS: Final = (
    "id_hash, student_id, csrf, authenticated_at, expires_at, subject, roles, roles_confirmed_at, roles_due_at, seen_at"
)
"""Of a `Session`, and when it was used."""
OPEN_COLUMNS: Final = "id_hash, student_id, subject, started_at, seen_at"
"""Of an `OpenSession`."""
_ID_CHARACTERS: Final = range(32, 129)


@dataclass(frozen=True, slots=True)
class Session:
    """The only source of the student id, which is empty for staff. `account` is the subject."""

    id_hash: bytes = field(repr=False)
    student_id: str = field(repr=False)
    csrf: str = field(repr=False)
    authenticated_at: datetime
    expires_at: datetime
    account: str = field(default="", repr=False)
    roles: frozenset[str] = frozenset()
    roles_confirmed_at: datetime | None = None
    roles_due_at: datetime | None = None
    """When the provider last confirmed them, and is to be asked again."""
    secret: str = field(default="", repr=False)
    """The id, which the browser sent. Empty where a page is only read."""

    def prove(self, event: A) -> A:
        """The command, with what shows that this session asked for it."""
        if not self.secret:
            raise ValueError("the session was found without its id")
        return session_key(self.secret).prove(event)

    @property
    def handle(self) -> str:
        """Names it in the audit."""
        return handle_of(self.id_hash)

    @property
    def actor(self) -> str:
        """As the audit names the person."""
        return actor_of(self.student_id, self.account, self.roles)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """`account` is the subject; `handle` names it to its own person and to operators."""

    id_hash: bytes = field(repr=False)
    student_id: str = field(repr=False)
    account: str = field(repr=False)
    started_at: datetime
    seen_at: datetime

    @property
    def handle(self) -> str:
        return handle_of(self.id_hash)


def session_of(row: Mapping[str, Any], secret: str = "") -> Session:
    """`row` has `COLUMNS`."""
    return Session(
        row["id_hash"],
        row["student_id"] or "",
        row["csrf"],
        row["authenticated_at"],
        row["expires_at"],
        row["subject"],
        frozenset(row["roles"]),
        row["roles_confirmed_at"],
        row["roles_due_at"],
        secret,
    )


def open_session(row: Mapping[str, Any]) -> OpenSession:
    """`row` has `OPEN_COLUMNS`."""
    return OpenSession(
        bytes(row["id_hash"]), row["student_id"] or "", row["subject"], row["started_at"], row["seen_at"]
    )


def well_formed(session_id: str | None) -> TypeGuard[str]:
    return session_id is not None and len(session_id) in _ID_CHARACTERS


def hashed(session_id: str) -> bytes:
    """SHA-256 is enough: the id has 256 random bits."""
    return hashlib.sha256(session_id.encode()).digest()


def handle_of(id_hash: bytes) -> str:
    return id_hash.hex()[:16]


def actor_of(student_id: str | None, subject: str, roles: Collection[str]) -> str:
    """As the audit names them: of staff the subject."""
    return STUDENT if student_id and not roles else subject
