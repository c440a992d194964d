"""A CAS client (CAS Protocol 3.0): tickets validated at `/p3/serviceValidate`, single logout."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import httpx

from services.gateway.identity.authentication import NO_CONTEXT, RequiredContext
from services.gateway.identity.cas.logout_request import ticket_of
from services.gateway.identity.cas.ticket_validation import TICKET, Validated, validated
from services.gateway.identity.errors import ProviderUnavailable, Refusal, SignInRefused, Unavailability
from services.gateway.identity.http import is_secure_url, request
from services.gateway.identity.identity import Identity
from services.gateway.identity.provider import Attempt, IdentityProvider, SessionsEnded, SignOutForm

USER: Final = "cas:user"
"""In place of an attribute's name: the account itself."""
_ZONE: Final = re.compile(r"\[[^\]]*\]$")
"""Java writes `2026-06-01T09:00:00+08:00[Asia/Shanghai]`."""


@dataclass(frozen=True)
class CasSettings:
    """`server`: up to what precedes `/login`."""

    server: str
    student_id_attribute: str = "student_id"
    roles_attribute: str = "roles"
    name_attribute: str = "name"
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if not is_secure_url(self.server, loopback_allowed=True) or set("?#") & set(self.server):
            raise ValueError("the CAS server must be an https address, or http on this machine")
        if self.server.endswith("/"):
            raise ValueError("the CAS server's address must not end with a slash")


class CasClient(IdentityProvider):
    def __init__(self, http: httpx.AsyncClient, settings: CasSettings) -> None:
        self._http = http
        self._settings = settings

    async def sign_in_url(self, attempt: Attempt, context: RequiredContext = NO_CONTEXT) -> str:
        """CAS knows no age of a sign-in: what was too old is asked for with the password."""
        return f"{self._settings.server}/login?{urlencode({'service': _service(attempt), **_renewed(attempt)})}"

    async def identity(self, attempt: Attempt, answer: Mapping[str, str]) -> Identity | None:
        ticket = answer.get("ticket")
        if not ticket:
            return None
        if not TICKET.fullmatch(ticket):
            raise SignInRefused(Refusal.TICKET_REFUSED)
        asked = {"service": _service(attempt), "ticket": ticket, **_renewed(attempt)}
        url = f"{self._settings.server}/p3/serviceValidate"
        response, body = await request(self._http, "GET", url, self._settings.timeout_s, params=asked)
        if response.status_code != 200:
            raise ProviderUnavailable(Unavailability.BAD_STATUS)
        return self._identity(validated(body), ticket, datetime.now(UTC) if attempt.again else None)

    async def refresh(self, refresh_token: str, subject: str) -> Identity | None:
        """CAS has no such thing."""
        return None

    async def sign_out_form(self, back_to: str, state: str, id_token: str | None = None) -> SignOutForm | None:
        return SignOutForm("get", f"{self._settings.server}/logout", {"service": f"{back_to}?state={state}"})

    async def sessions_ended(self, message: Mapping[str, str]) -> SessionsEnded:
        return SessionsEnded(self._settings.server, None, _sid(ticket_of(message.get("logoutRequest", ""))))

    def _identity(self, found: Validated, ticket: str, renewed_at: datetime | None) -> Identity:
        settings = self._settings
        authenticated_at = _instant(next(iter(found.attributes.get("authenticationDate", ())), "")) or renewed_at
        numbers = [found.user] if settings.student_id_attribute == USER else None
        try:
            return Identity(
                issuer=settings.server,
                subject=found.user,
                student_ids=numbers or found.attributes.get(settings.student_id_attribute, ()),
                name=next(iter(found.attributes.get(settings.name_attribute, ())), None),
                roles=frozenset(found.attributes.get(settings.roles_attribute, ())),
                authenticated_at=authenticated_at or datetime.now(UTC),
                auth_time=authenticated_at,
                sid=_sid(ticket),
            )
        except ValueError:  # pydantic's
            raise SignInRefused(Refusal.CLAIM_MALFORMED) from None


def _service(attempt: Attempt) -> str:
    """The same for the server at sign-in and at validation: it compares them. The state needs no encoding."""
    return f"{attempt.return_to}?state={attempt.state}"


def _renewed(attempt: Attempt) -> dict[str, str]:
    return {"renew": "true"} if attempt.again else {}


def _sid(ticket: str) -> str:
    """Not the ticket: whoever reads the table ends nobody's session."""
    return hashlib.sha256(ticket.encode()).hexdigest()


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(_ZONE.sub("", text))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None
