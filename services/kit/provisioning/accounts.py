"""Who calls which service with which roles: desks and systems by name, and the gateway for the people at its pages."""

from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.kit.names import (
    APPROVER,
    CERTIFICATE_DESK,
    CONTACTS,
    FORGETTING,
    FORM_VOID,
    OPERATOR,
    REMINDERS,
    ROSTER,
    STAFF_PAGES,
    desk_role,
)

Accounts = dict[str, frozenset[str]]
"""Account → its roles."""


def accounts_of(service: str) -> Accounts:
    """One a person or system. A token of the gateway's at one service opens no other."""
    if service == GATEWAY:
        return _alone(OPERATOR, CERTIFICATE_DESK)
    operating = {operating_account(service): frozenset({OPERATOR, STAFF_PAGES})}
    if service == NOTICES:
        return _alone(CONTACTS) | {staff_account(NOTICES): frozenset({CONTACTS, REMINDERS, STAFF_PAGES})} | operating
    if service == CLEARANCE:
        return {
            **_alone(ROSTER, APPROVER, FORM_VOID, FORGETTING, OPERATOR, CERTIFICATE_DESK),
            staff_account(ROSTER): frozenset({ROSTER, APPROVER, STAFF_PAGES}),
            **operating,
        }
    role = desk_role(service)
    return {
        service: frozenset({role}),
        **_alone(OPERATOR),
        staff_account(service): frozenset({role, STAFF_PAGES}),
        **operating,
    }


def staff_account(service: str) -> str:
    """The gateway's, for staff."""
    return f"{STAFF_PAGES}.{service}"


def operating_account(service: str) -> str:
    """The gateway's, for operators."""
    return f"{OPERATOR}.{service}"


def _alone(*roles: str) -> Accounts:
    return {role: frozenset({role}) for role in roles}
