"""Roles of staff are looked at again at the provider while they work: by the refresh token of their sign-in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from services.gateway.identity.errors import ProviderUnavailable, SignInRefused
from services.gateway.identity.provider import IdentityProvider
from services.gateway.tables.sessions.confirmed_roles import ConfirmedRoles
from services.gateway.tables.sessions.session import Session
from services.gateway.tables.sessions.session_table import Sessions

_log = structlog.get_logger(__name__)


class RoleConfirmation:
    """`life_s`: without a confirmation the session ends, whether the provider is away or gives no refresh tokens."""

    def __init__(self, sessions: Sessions, roles: ConfirmedRoles, provider: IdentityProvider, *, life_s: float) -> None:
        self._sessions, self._roles, self._provider = sessions, roles, provider
        self._life = timedelta(seconds=life_s)

    async def confirmed(self, session_id: str, session: Session) -> Session | None:
        """The session with the roles it has now; None if it ended. May raise transient database errors."""
        now = datetime.now(UTC)
        if not session.roles or session.roles_due_at is None or now < session.roles_due_at:
            return session
        token = await self._roles.due_refresh_token(session_id, session)
        confirmed = await self._asked(session_id, session, token) if token else session
        if confirmed is not None and confirmed.roles_confirmed_at and now > confirmed.roles_confirmed_at + self._life:
            await self._sessions.end(session.id_hash, "roles-unconfirmed")
            return None
        return confirmed

    async def _asked(self, session_id: str, session: Session, token: str) -> Session | None:
        try:
            identity = await self._provider.refresh(token, session.account)
        except ProviderUnavailable as error:
            _log.warning("identity_provider.failed", reason=error.reason.value)
            return session
        except SignInRefused as refused:
            _log.info("refresh.refused", reason=refused.reason.value)
            await self._sessions.end(session.id_hash, "over-at-provider")
            return None
        if identity is None:
            return session
        # What was added counts from the next sign-in, which asks for the authentication it requires.
        roles = session.roles & identity.roles
        if not roles and not session.student_id:
            await self._sessions.end(session.id_hash, "roles-removed")
            return None
        await self._roles.confirm(session_id, session, roles, identity.refresh_token, identity.id_token)
        return replace(session, roles=roles, roles_confirmed_at=datetime.now(UTC))
