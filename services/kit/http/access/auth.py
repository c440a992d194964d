"""Bearer tokens of desks and systems; students sign in at the gateway.

They are in the service's database, and in a file for an installation that distributes one.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import structlog
from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.kit.audit.log import CLIENT_ADDRESS, append_entry
from services.kit.faults import fault_of
from services.kit.http.access.acting_for import ACTING_FOR, ACTING_FROM, actor, address_of
from services.kit.http.access.credentials_file import CredentialsFile, FileEntry
from services.kit.http.client_address import limited_address
from services.kit.http.openapi import TOKEN
from services.kit.http.problems import Problem
from services.kit.names import STAFF_PAGES
from services.kit.runtime.token_buckets import TokenBuckets
from services.kit.settings import Settings, refused
from services.kit.tokens.store import Principal as Principal
from services.kit.tokens.store import principal_of
from services.kit.tokens.store import token_sha256 as token_sha256

WRONG_RATE, WRONG_BURST = 0.2, 20.0
"""Unknown tokens from a client address."""
BURST_S: Final = 10.0
"""A known token may do at once what it may do in so long."""
KNOWN_FOR_S: Final = 2.0
"""So long a token is taken after it was revoked."""
_MAX_KNOWN: Final = 10_000
_REPORT_RATE, _REPORT_BURST = 1.0, 10.0
_log = structlog.get_logger(__name__)
_bearer = HTTPBearer(
    auto_error=False,
    scheme_name=TOKEN,
    description="Token of a desk or of a department's own system, as its operators made it; beside each operation "
    "stands the role that it needs, or one of several.",
)


class Credentials:
    """Without any, every protected route refuses. Used from one event loop."""

    def __init__(self, file: CredentialsFile, *, token_rate: float | None = None) -> None:
        """`token_rate`: requests a second by one name, `BURST_S` seconds of them at once; None: unlimited."""
        self.pool: asyncpg.Pool[Any] | None = None
        """Of the database with the table of tokens."""
        self._file = file
        self._calls = TokenBuckets(token_rate, token_rate * BURST_S) if token_rate else None
        self._reports = TokenBuckets(_REPORT_RATE, _REPORT_BURST)
        self._wrong = TokenBuckets(WRONG_RATE, WRONG_BURST)
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    @classmethod
    def of(cls, settings: Settings) -> "Credentials":
        """Ends the process as wrong settings do, without content, if the file cannot be read."""
        try:
            return cls.load(settings.credentials, token_rate=settings.token_rate)
        except (OSError, ValueError) as error:
            raise refused([f"LIXIAO_CREDENTIALS is wrong: {fault_of(error)}"]) from None

    @classmethod
    def load(cls, path: Path | None, *, token_rate: float | None = None) -> "Credentials":
        """Raises `ValueError`, without content."""
        return cls(CredentialsFile(path), token_rate=token_rate)

    async def find(self, token: str, host: str = "") -> Principal | None:
        """Raises a 429 `Problem` for an address that has sent too many unknown ones, and database errors."""
        digest, address, now_s = token_sha256(token), limited_address(host).encode(), time.monotonic()
        known, until_s = self._known.get(digest, (None, 0.0))
        if known is not None and now_s < until_s:
            return known
        # One that was good is looked up all the same: others behind its address do not shut it out.
        if known is None and (wait_s := self._wrong.missing_s(address, 1.0, now_s)):
            _log.warning("auth.slowed", address=host)
            raise _slowed(wait_s)
        principal = self._file.find(token) or await self._stored(digest)
        self._known.pop(digest, None)
        if principal is None:
            self._wrong.take(address, 1.0, now_s)
        else:
            self._known[digest] = (principal, now_s + KNOWN_FOR_S)
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        return principal

    def of_file(self) -> tuple[FileEntry, ...]:
        return self._file.entries()

    def count(self, principal: Principal, host: str) -> None:
        """Raises a 429 `Problem` if there were too many requests under this name, whichever of its tokens they had."""
        now_s = time.monotonic()
        wait_s = self._calls.take(principal.name.encode(), 1.0, now_s) if self._calls else 0.0
        if wait_s:
            # A flood would be one in the log too.
            if self._reports.take(principal.name.encode(), 1.0, now_s) == 0.0:
                _log.warning("token.slowed", principal=principal.name, address=host)
            raise _too_many(wait_s)

    async def log_refused(self, name: str, cause: str, required: Collection[str], request: Request) -> None:
        """In the audit, where there is one: somebody known asked for what they may not."""
        if self.pool is None:
            return
        details = {"required": sorted(required), "route": getattr(request.scope.get("route"), "path", None)}
        async with self.pool.acquire() as connection:
            await append_entry(connection, actor=name, act="access.refuse", outcome=cause, details=details)

    async def _stored(self, digest: str) -> Principal | None:
        if self.pool is None:
            return None
        async with self.pool.acquire() as connection:
            return await principal_of(connection, digest)


def require(*roles: str) -> Callable[..., Any]:
    """Dependency: the caller with one of `roles`, else 401, 403 or 429; reads `app.state.credentials`."""
    if not roles:
        raise ValueError("at least one role is required")

    async def principal(
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer, scopes=sorted(roles))],
    ) -> Principal:
        credentials: Credentials | None = getattr(request.app.state, "credentials", None)
        host = request.client.host if request.client else ""
        caller = await credentials.find(given.credentials, host) if credentials and given else None
        if credentials is None or caller is None:
            _log.warning("auth.refused", cause="token" if given else "no-token", address=host, required=roles)
            raise _unknown()
        credentials.count(caller, host)
        if caller.roles.isdisjoint(roles):
            _log.warning("auth.refused", cause="role", principal=caller.name, address=host, required=roles)
            await credentials.log_refused(caller.name, "role", roles, request)
            raise _forbidden(roles)
        _log.debug("auth.granted", principal=caller.name, address=host, required=roles)
        person = request.headers.get(ACTING_FOR)
        if person is None:
            return caller
        if STAFF_PAGES not in caller.roles:
            _log.warning("auth.refused", cause="acting-for", principal=caller.name, address=host)
            await credentials.log_refused(caller.name, "acting-for", (STAFF_PAGES,), request)
            raise _forbidden((STAFF_PAGES,))
        if address := address_of(request.headers.get(ACTING_FROM, "")):
            CLIENT_ADDRESS.set(address)
        return Principal(actor(caller.name, person), caller.roles)

    return principal


def _unknown() -> Problem:
    return Problem(
        401,
        "unauthorized",
        "A token is required",
        detail="Send the header Authorization: Bearer <token> with the token issued to this desk or system.",
        headers={"WWW-Authenticate": 'Bearer realm="lixiao"'},
    )


def _slowed(wait_s: float) -> Problem:
    return Problem(
        429,
        "too-many-wrong-tokens",
        "Too many unknown tokens were sent from this address",
        detail="Send the right token after the time in Retry-After.",
        headers={"Retry-After": str(int(wait_s) + 1)},
    )


def _too_many(wait_s: float) -> Problem:
    return Problem(
        429,
        "too-many-requests",
        "Too many requests were sent with this token",
        detail="Send it again after the time in Retry-After; nothing was done.",
        headers={"Retry-After": str(int(wait_s) + 1)},
    )


def _forbidden(roles: tuple[str, ...]) -> Problem:
    return Problem(
        403,
        "forbidden",
        "This account lacks the role",
        detail=f"One of these roles is required: {', '.join(roles)}. An administrator grants roles.",
    )
