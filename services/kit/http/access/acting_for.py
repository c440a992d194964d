"""Who acts, when a service acts for a person: the gateway for the staff who signed in there."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, unquote

from services.kit.http.problems import FieldProblem, Problem

ACTING_FOR: Final = "Lixiao-Acting-For"
"""Header: the person in UTF-8, percent-encoded. Only a caller with the role `staff-pages` may send it."""
ACTING_FROM: Final = "Lixiao-Acting-From"
"""Header beside it: the person's client address."""
_MAX: Final = 300


def acting_for(person: str, address: str = "") -> dict[str, str]:
    named = {ACTING_FOR: quote(_on_one_line(person)[:_MAX])}
    return {**named, ACTING_FROM: address} if address else named


def _on_one_line(person: str) -> str:
    """With plain spaces and nothing invisible, as `actor` asks: many providers write 张　三."""
    return " ".join("".join(one for one in person if one.isprintable() or one.isspace()).split())


def address_of(header: str) -> str:
    """Empty if it is none."""
    try:
        return str(ip_address(header))
    except ValueError:
        return ""


def actor(caller: str, header: str) -> str:
    """What the audit records: both. Raises a 422 `Problem`."""
    try:
        person = unquote(header, errors="strict")
    except UnicodeDecodeError:
        person = ""
    if not person.strip() or len(person) > _MAX or not person.isprintable():
        error = FieldProblem(
            field=f"header {ACTING_FOR}",
            problem="It names nobody.",
            remedy="Send the person's name in UTF-8, percent-encoded, of at most 300 characters.",
        )
        raise Problem(422, "invalid-request", "The request has wrong or missing fields", errors=[error])
    return f"{caller}: {person}"
