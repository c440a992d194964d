"""Bearer tokens of desks and systems; students sign in at the gateway."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.kit.http.problems import Problem

_log = structlog.get_logger(__name__)
_bearer = HTTPBearer(auto_error=False, description="Token of a desk or of a department's own system.")


def token_sha256(token: str) -> str:
    """Unsalted: tokens are long and random."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Principal:
    """`name` is what the audit records."""

    name: str
    roles: frozenset[str]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    token_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    roles: Annotated[frozenset[str], Field(min_length=1, max_length=32)]


_entries: Final = TypeAdapter(
    Annotated[list[_Entry], Field(max_length=1000)], config=ConfigDict(hide_input_in_errors=True)
)


class Credentials:
    """Without any, every protected route refuses."""

    def __init__(self, entries: list[_Entry]) -> None:
        if len({entry.name for entry in entries}) != len(entries):
            raise ValueError("two credentials have the same name")
        if len({entry.token_sha256 for entry in entries}) != len(entries):
            raise ValueError("two credentials have the same token")
        self._entries = tuple((entry.token_sha256, Principal(entry.name, entry.roles)) for entry in entries)

    @classmethod
    def load(cls, path: Path | None) -> "Credentials":
        """From `[{name, token_sha256, roles}]`. Raises `ValueError`, without content."""
        return cls(_entries.validate_json(path.read_bytes()) if path is not None else [])

    def find(self, token: str) -> Principal | None:
        """In constant time."""
        given = token_sha256(token)
        found: Principal | None = None
        for known, principal in self._entries:
            if hmac.compare_digest(known, given):
                found = principal
        return found


def require(*roles: str) -> Callable[..., Any]:
    """Dependency: the caller with one of `roles`, else 401 or 403; reads `app.state.credentials`."""
    if not roles:
        raise ValueError("at least one role is required")

    async def principal(
        request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Principal:
        credentials: Credentials | None = getattr(request.app.state, "credentials", None)
        caller = credentials.find(given.credentials) if credentials is not None and given is not None else None
        if caller is None:
            _log.warning("auth.refused", cause="token", required=roles)
            raise _unknown()
        if caller.roles.isdisjoint(roles):
            _log.warning("auth.refused", cause="role", principal=caller.name, required=roles)
            raise _forbidden(roles)
        _log.debug("auth.granted", principal=caller.name, required=roles)
        return caller

    return principal


def _unknown() -> Problem:
    return Problem(
        401,
        "unauthorized",
        "A token is required",
        detail="Send the header Authorization: Bearer <token> with the token issued to this desk or system.",
        headers={"WWW-Authenticate": 'Bearer realm="lixiao"'},
    )


def _forbidden(roles: tuple[str, ...]) -> Problem:
    return Problem(
        403,
        "forbidden",
        "This account lacks the role",
        detail=f"One of these roles is required: {', '.join(roles)}. An administrator grants roles.",
    )
