"""Names shared by processes; service names and event sources are in `schemas.flows`."""

from enum import IntEnum
from typing import Final

VIEW_CHANNEL: Final = "lixiao_view"
"""The view changed; no payload: it would be personal data."""
COMMAND_CHANNEL: Final = "lixiao_command"
"""A command was requested or answered; no payload."""

ROSTER: Final = "roster"
OPERATOR: Final = "operator"
CERTIFICATE_DESK: Final = "certificate-desk"
APPROVER: Final = "approver"
"""The second person: confirms or rejects what another has proposed."""
FORM_VOID: Final = "form-void"
"""Proposes that a form be void."""

FORGETTING: Final = "forgetting"
"""Proposes that a student be forgotten."""

STAFF_PAGES: Final = "staff-pages"
"""Acts for the member of staff whom a request names, besides its other roles."""

CONTACTS: Final = "contacts"
"""Keeps where students are written to."""

REMINDERS: Final = "reminders"
"""Learns whom a reminder would reach, and what became of one."""

GRADUATE_SCHOOL: Final = "graduate-school"
"""Sees how far everybody is."""
_COLLEGE: Final = "college:"

STUDENT: Final = "student"
"""Actor of an audit entry that the student's own request led to."""


def desk_role(department: str) -> str:
    return f"desk:{department}"


def college_role(college: str) -> str:
    """Sees how far the students of this college are, named as the roster does."""
    return f"{_COLLEGE}{college}"


def college_of_role(role: str) -> str:
    """Empty for another role."""
    return role.removeprefix(_COLLEGE) if role.startswith(_COLLEGE) else ""


class AdvisoryLock(IntEnum):
    """Each is taken in the one database it concerns."""

    RELAY_LEADER = 7_316_004_001
    AUDIT_SEALER = 7_316_004_002
    MIGRATION = 7_316_004_003
    PROVISIONING = 7_316_004_004
    SIGNING_KEY = 7_316_004_005
    COVERAGE = 7_316_004_006
    VIEW_REBUILD = 7_316_004_011


def import_worker_lock(kind: str) -> str:
    """Text for `hashtextextended`."""
    return f"lixiao.imports.{kind}"
