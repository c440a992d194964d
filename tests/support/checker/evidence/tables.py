"""What the services' tables hold, as plain values.

Types of the checker's own, though the product has some with the same names (`services/gateway/read_model/types.py`):
what judges the product must not read the tables through the product's eyes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.checker.evidence.facts import Attested, Fact


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry of a service's audit."""

    act: str
    outcome: str
    student_id: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenDeadLetter:
    """A dead letter that nobody has ended. `value` is the record's, as it came."""

    consumer: str
    topic: str
    value: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class ServiceTables:
    """What every service has. `journal` is what was committed, one student's facts in the order of their lock.

    `positions`: (consumer, topic, partition) → next offset. `outbox_left` rows wait to be sent.
    """

    journal: tuple[Fact, ...] = ()
    outbox_left: int = 0
    dead_letters: tuple[OpenDeadLetter, ...] = ()
    positions: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    audit: tuple[AuditEntry, ...] = ()
    chain_problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewestStatus:
    """A department's newest word in its own record, or in the view."""

    version: int
    status: str
    clear: bool
    readable: bool = True
    clear_checks: frozenset[str] = frozenset()
    """Of a record: what may be called clear, check by check."""


@dataclass(frozen=True, slots=True)
class DepartmentTables:
    """A department's tables. `requests` are the keys of desk changes that were done."""

    service: ServiceTables = ServiceTables()
    records: Mapping[str, NewestStatus] = field(default_factory=dict)
    holds: tuple[tuple[str, str], ...] = ()
    """(student, attempt)."""
    requests: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Attempt:
    student_id: str
    state: str
    required: frozenset[str]
    cause: str = ""
    objections: frozenset[str] = frozenset()
    """Departments that objected to what is on record, not for a change that met an earlier hold."""
    waived: tuple[tuple[str, str, str], ...] = ()
    """(department, check, kind), as it opened."""
    opened_at: datetime | None = None
    ended_at: datetime | None = None
    part_of: str = ""
    """The attempt whose part about a former number it is."""


@dataclass(frozen=True, slots=True)
class Submission:
    """`facts`: department → its attestation as it was accepted; `receipt` the signed form."""

    student_id: str
    attempt_id: str
    form_number: str
    facts: Mapping[str, Mapping[str, Any]]
    receipt: str
    case_number: int = 1
    void: bool = False
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class ExemptionRow:
    student_id: str
    department: str
    check: str
    made_at: datetime
    ends_at: datetime
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    attempt_id: str
    department: str
    version: int
    open: bool


@dataclass(frozen=True, slots=True)
class ClearanceTables:
    """The clearance's tables. `view`: (student, department) → what it shows; `keys`: the listed public JWKs."""

    service: ServiceTables = ServiceTables()
    view: Mapping[tuple[str, str], NewestStatus] = field(default_factory=dict)
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    answers: Mapping[tuple[str, str], Attested] = field(default_factory=dict)
    """(attempt, department) → its answer; `tx` is 0."""
    submissions: tuple[Submission, ...] = ()
    exceptions: tuple[ExceptionRow, ...] = ()
    exemptions: tuple[ExemptionRow, ...] = ()
    keys: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    student_id: str
    department: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class GatewayTables:
    service: ServiceTables = ServiceTables()
    commands: Mapping[str, Command] = field(default_factory=dict)
