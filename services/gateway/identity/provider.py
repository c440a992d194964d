"""What the gateway needs of an identity provider, whichever protocol it speaks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from services.gateway.identity.authentication import NO_CONTEXT, RequiredContext
from services.gateway.identity.identity import Identity


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in under way: what its answer must match, and where the provider sends the browser back to."""

    return_to: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    again: bool = False
    """After one that did not show what the roles of the person ask for."""


@dataclass(frozen=True, slots=True)
class SignOutForm:
    """What the browser sends to the provider to end the session there."""

    method: Literal["get", "post"]
    address: str
    fields: Mapping[str, str] = field(repr=False)

    @property
    def origins(self) -> str:
        """As a source of the content security policy: a provider may lead on to the one behind it."""
        parts = urlsplit(self.address)
        return "https:" if parts.scheme == "https" else f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True, slots=True)
class SessionsEnded:
    """Whose sessions the provider has ended: of a subject, of one session there (`sid`), or of both together."""

    issuer: str
    subject: str | None = field(repr=False)
    sid: str | None = field(repr=False)
    token_id: str | None = field(default=None, repr=False)
    """Of a message that is taken once, and known until `valid_until`."""
    valid_until: datetime | None = None


class IdentityProvider(ABC):
    """One per process, for concurrent requests. Methods raise `ProviderUnavailable`."""

    @abstractmethod
    async def sign_in_url(self, attempt: Attempt, context: RequiredContext = NO_CONTEXT) -> str:
        """Where to send the browser."""

    @abstractmethod
    async def identity(self, attempt: Attempt, answer: Mapping[str, str]) -> Identity | None:
        """Who came back with this query, whose `state` the caller has checked; None if it confirms nobody.

        Also raises `SignInRefused`.
        """

    @abstractmethod
    async def refresh(self, refresh_token: str, subject: str) -> Identity | None:
        """Who it is now; None if the provider does not say. Also raises `SignInRefused`: the sign-in is over there."""

    @abstractmethod
    async def sign_out_form(self, back_to: str, state: str, id_token: str | None = None) -> SignOutForm | None:
        """None if the provider has no sign-out. With the token of the session it need not ask whose it is.

        `back_to` is where the browser comes back to, with `state` in the query.
        """

    @abstractmethod
    async def sessions_ended(self, message: Mapping[str, str]) -> SessionsEnded:
        """What the provider says by itself, in the fields of a form. Also raises `SignInRefused`."""
