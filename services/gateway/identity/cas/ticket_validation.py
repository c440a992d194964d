"""What a CAS server says of a service ticket (CAS Protocol 3.0 §2.5 and appendix A)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from services.gateway.identity.cas.xml import NotXml, parsed, text_of
from services.gateway.identity.errors import ProviderUnavailable, Refusal, SignInRefused, Unavailability

CAS: Final = "{http://www.yale.edu/tp/cas}"
TICKET: Final = re.compile(r"ST-[A-Za-z0-9._~\-]{1,253}")
"""A service ticket: others, of proxies above all, are not asked about."""
MAX_ATTRIBUTES: Final = 500
_REFUSALS: Final = {
    "INVALID_TICKET": Refusal.TICKET_REFUSED,
    "INVALID_SERVICE": Refusal.TICKET_REFUSED,
    # The ticket was not issued by a password, as was asked for (`renew`).
    "INVALID_TICKET_SPEC": Refusal.STALE_AUTHENTICATION,
}
_NOT_REGISTERED: Final = ("UNAUTHORIZED_SERVICE", "UNAUTHORIZED_SERVICE_PROXY")


@dataclass(frozen=True, slots=True)
class Validated:
    """Whom the server confirms. Attributes without a value are absent."""

    user: str = field(repr=False)
    attributes: Mapping[str, Sequence[str]] = field(repr=False)


def validated(document: bytes) -> Validated:
    """Raises `SignInRefused`, or `ProviderUnavailable` for what no server should send."""
    try:
        (outcome,) = _children(parsed(document), "serviceResponse")
        if outcome.tag == f"{CAS}authenticationFailure":
            raise _failure(outcome.get("code", ""))
        return _success(_children(outcome, "authenticationSuccess"))
    except (NotXml, ValueError):  # the second: not one of what there must be one of
        raise ProviderUnavailable(Unavailability.BAD_ANSWER) from None


def _success(parts: Sequence[Element]) -> Validated:
    (user,) = (text_of(part) for part in parts if part.tag == f"{CAS}user")
    if not user or any(part.tag == f"{CAS}proxies" for part in parts):
        raise NotXml
    (attributes,) = [part for part in parts if part.tag == f"{CAS}attributes"] or [Element("")]
    found: dict[str, list[str]] = {}
    for one in list(attributes)[:MAX_ATTRIBUTES]:
        # One that holds elements is no text, and nothing that is read here.
        if one.tag.startswith(CAS) and not len(one) and (value := text_of(one)):
            found.setdefault(one.tag.removeprefix(CAS), []).append(value)
    return Validated(user, found)


def _children(element: Element, name: str) -> Sequence[Element]:
    """Of the element of this name, which `element` must be."""
    if element.tag != f"{CAS}{name}":
        raise NotXml
    return list(element)


def _failure(code: str) -> Exception:
    if code in _REFUSALS:
        return SignInRefused(_REFUSALS[code])
    rejected = code in _NOT_REGISTERED
    return ProviderUnavailable(Unavailability.CLIENT_REJECTED if rejected else Unavailability.BAD_STATUS)
