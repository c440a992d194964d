"""The usual case: open, with nothing asked for, nothing written and no form yet, and no department silent.

What its answers show is said by the departments, but for the student's own values, times and versions; and what they
say is mostly the same for thousands. So answers of such cases are prepared by their shape (`prepared_answers`).
"""

from collections.abc import Hashable
from datetime import datetime
from typing import Final, NamedTuple

from schemas.events import CaseState
from services.gateway.case.progress import stale_before
from services.gateway.read_model.status_texts import parts_of
from services.gateway.read_model.student_rows import StudentRows, case_of
from services.gateway.read_model.types import Case
from services.gateway.university import Site
from services.kit.rules.waivers import Attribute

_ATTRIBUTES: Final = tuple(name.value for name in Attribute)


class Received(NamedTuple):
    """Of a department's status, what is not in its shape."""

    version: int
    occurred_at: datetime
    received_at: datetime
    alive_as_of: datetime


class UsualCase(NamedTuple):
    """Two of one `shape` differ in nothing but the other fields. `received` is by department."""

    shape: Hashable
    case: Case
    received: dict[str, Received]


def usual_case(rows: StudentRows, site: Site, now: datetime) -> UsualCase | None:
    """Of a student without commands and comments. None for any other case."""
    row = rows.own
    if (
        row is None
        or rows.former
        or row["state"] != CaseState.OPEN
        or row["attempt_id"] is not None
        or row["forms"] is not None
        or row["exemptions"] is not None
    ):
        return None
    student_id, bound = row["student_id"], stale_before(site, now)
    received, contents = {}, []
    columns = (row[name] or () for name in ("departments", "statuses", "received_at", "readable", "alive_as_of"))
    for department, text, received_at, readable, alive_as_of in zip(*columns, strict=True):
        if not readable or alive_as_of is None or alive_as_of < bound or text is None:
            return None
        parts = parts_of(text, student_id, department)
        if parts is None:
            return None
        received[department] = Received(parts.version, parts.occurred_at, received_at, alive_as_of)
        contents.append((department, parts.content))
    # By rules of the university, attributes leave checks out.
    attributes = tuple([row[name] for name in _ATTRIBUTES])
    return UsualCase((tuple(contents), attributes, row["opened_on"]), case_of(row), received)
