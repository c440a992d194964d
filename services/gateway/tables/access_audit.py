"""Refused sign-ins and logout tokens, and pages refused for want of a role, in the gateway's audit and log."""

import time
from typing import Any, Final

import asyncpg
import structlog

from services.gateway.tables.sessions.session import Session
from services.gateway.timeouts import bounded
from services.kit.audit.log import CLIENT_ADDRESS, append_entry
from services.kit.runtime.token_buckets import TokenBuckets

_RATE, _BURST = 5.0, 100.0
"""Entries of people whom the provider has not named: a flood of them would be one in the audit too."""
_NOBODY: Final = "unknown"
_log = structlog.get_logger(__name__)


class AccessAudit:
    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._unnamed = TokenBuckets(_RATE, _BURST)

    async def sign_in_refused(self, reason: str, subject: str | None = None) -> None:
        """`subject`: if the provider named one."""
        _log.info("sign_in.refused", reason=reason, address=CLIENT_ADDRESS.get())
        if subject is not None or self._is_few():
            await bounded(self._append(subject or _NOBODY, "session.refuse", reason, None, {}))

    async def logout_refused(self, reason: str) -> None:
        _log.warning("logout.refused", reason=reason, address=CLIENT_ADDRESS.get())
        if self._is_few():
            await bounded(self._append(_NOBODY, "logout.refuse", reason, None, {}))

    async def page_refused(self, session: Session, owner: str, route: str | None) -> None:
        """`owner`: whose page it is."""
        _log.warning("access.refused", cause="role", required=owner, route=route, address=CLIENT_ADDRESS.get())
        details = {"required": owner, "route": route}
        await bounded(self._append(session.actor, "access.refuse", "role", session.student_id or None, details))

    def _is_few(self) -> bool:
        return self._unnamed.take(b"", 1.0, time.monotonic()) == 0.0

    async def _append(
        self, actor: str, act: str, outcome: str, student_id: str | None, details: dict[str, str | None]
    ) -> None:
        async with self._pool.acquire() as connection:
            await append_entry(
                connection, actor=actor, act=act, outcome=outcome, student_id=student_id, details=details
            )
