"""Single logout: a CAS server names the ticket whose sign-in is over (CAS Protocol 3.0 §2.3.3).

The request carries no signature. It ends the sessions of a ticket that it can name, which is random, known to the
server, the browser and the gateway, and signs nobody in: whoever reads one in a log can sign that person out.
"""

from typing import Final

from services.gateway.identity.cas.ticket_validation import TICKET
from services.gateway.identity.cas.xml import NotXml, parsed, text_of
from services.gateway.identity.errors import Refusal, SignInRefused

SAMLP: Final = "{urn:oasis:names:tc:SAML:2.0:protocol}"
MAX_LOGOUT_REQUEST: Final = 32_768


def ticket_of(logout_request: str) -> str:
    """Raises `SignInRefused`."""
    try:
        if len(logout_request) > MAX_LOGOUT_REQUEST:
            raise NotXml
        root = parsed(logout_request.encode())
        (ticket,) = (text_of(part) for part in root if part.tag == f"{SAMLP}SessionIndex")
    except (NotXml, ValueError):  # the second: none or several, or no characters
        raise SignInRefused(Refusal.TOKEN_MALFORMED) from None
    if root.tag != f"{SAMLP}LogoutRequest" or not TICKET.fullmatch(ticket):
        raise SignInRefused(Refusal.TOKEN_MALFORMED)
    return ticket
