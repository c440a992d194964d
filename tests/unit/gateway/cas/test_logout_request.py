"""Single logout names a ticket and nothing else."""

import pytest

from services.gateway.identity.cas.logout_request import MAX_LOGOUT_REQUEST, ticket_of
from services.gateway.identity.errors import SignInRefused

TICKET = "ST-1-6a0YydPL69EIixqst-ifKy4cYqY-vm"
INDEX = "<samlp:SessionIndex>{}</samlp:SessionIndex>"
REQUEST = (
    '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="LR-1" Version="2.0" '
    'IssueInstant="2026-06-01T09:00:00Z"><saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">u-1'
    "</saml:NameID>{}</samlp:LogoutRequest>"
)
REFUSED = {
    "nothing": "",
    "no XML": TICKET,
    "no ticket": REQUEST.format(""),
    "an empty ticket": REQUEST.format(INDEX.format("")),
    "two tickets": REQUEST.format(INDEX.format(TICKET) * 2),
    "a ticket that is none": REQUEST.format(INDEX.format("_session")),
    "another root": REQUEST.format(INDEX.format(TICKET)).replace("LogoutRequest", "LogoutResponse"),
    "another namespace": REQUEST.format(INDEX.format(TICKET)).replace("urn:oasis", "urn:evil"),
    "an entity": "<!DOCTYPE x [<!ENTITY e 'ST-1'>]>" + REQUEST.format(INDEX.format("&e;")),
    "long": REQUEST.format(INDEX.format(TICKET)) + " " * MAX_LOGOUT_REQUEST,
    "a lone surrogate": REQUEST.format(INDEX.format("ST-\ud800")),
}


def test_the_ticket_is_read() -> None:
    assert ticket_of(REQUEST.format(INDEX.format(f"\n {TICKET}\n"))) == TICKET


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_names_no_ticket_is_refused(text: str) -> None:
    with pytest.raises(SignInRefused, match="token_malformed"):
        ticket_of(text)
