"""How recently and how strongly people must have signed in at the provider, by role (`max_age`, `acr`)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.gateway.identity.errors import Refusal
from services.gateway.identity.identity import Identity
from services.gateway.settings import RoleContext

LEEWAY_S: Final = 60
"""Between the clocks of the provider and of this machine."""


@dataclass(frozen=True, slots=True)
class RequiredContext:
    """What the roles of one person ask for together."""

    max_age_s: int | None = None
    acrs: tuple[tuple[str, ...], ...] = ()
    """Of each of them one."""

    def parameters(self) -> dict[str, str]:
        """Of the authorization request (OpenID Connect Core §3.1.2.1)."""
        asked = {} if self.max_age_s is None else {"max_age": str(self.max_age_s)}
        if self.acrs:
            asked["acr_values"] = " ".join(dict.fromkeys(value for one in self.acrs for value in one))
        return asked

    def unmet(self, identity: Identity, now: datetime) -> Refusal | None:
        if self.max_age_s is not None:
            oldest = now - timedelta(seconds=self.max_age_s + LEEWAY_S)
            if identity.auth_time is None or identity.auth_time < oldest:
                return Refusal.STALE_AUTHENTICATION
        if any(identity.acr not in values for values in self.acrs):
            return Refusal.WEAK_AUTHENTICATION
        return None

    def ends_at(self, authenticated_at: datetime, now: datetime) -> datetime | None:
        """When a session has to end: then the sign-in is too old."""
        if self.max_age_s is None:
            return None
        return max(authenticated_at + timedelta(seconds=self.max_age_s), now + timedelta(seconds=LEEWAY_S))


NO_CONTEXT: Final = RequiredContext()


def required_context(by_role: Mapping[str, RoleContext], roles: Collection[str]) -> RequiredContext:
    found = [by_role[role] for role in sorted(roles) if role in by_role]
    ages = [one.max_age_s for one in found if one.max_age_s is not None]
    return RequiredContext(min(ages, default=None), tuple(one.acr for one in found if one.acr))
