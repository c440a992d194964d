"""What the checker judges, as plain values: committed changes, tables, topics and the clients' history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from schemas.events import Message
from tests.support.checker.history import Operation


@dataclass(frozen=True, slots=True)
class OutboxInsert:
    """A row was put into the outbox. `tx` is the transaction, here and everywhere."""

    tx: int
    topic: str
    event_id: str
    event: Message


@dataclass(frozen=True, slots=True)
class RecordWrite:
    """A department wrote a student's record. `clear` is what its own rules say of the body, not what it said itself.

    `clear_checks`: the same, check by check; `own`: checks with evidence about the student.
    """

    tx: int
    student_id: str
    clear: bool
    version: int
    body: str = ""
    clear_checks: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    cohort: str | None = None


@dataclass(frozen=True, slots=True)
class LoadWrite:
    """A covering load was declared or withdrawn. No `cohort`: for every student; `job_id` is empty without a file."""

    tx: int
    load_id: str
    cohort: str | None
    checks: frozenset[str]
    as_of: datetime
    valid: bool
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class QuestionWrite:
    """A question was opened or closed. Without `student_id` it is about a file refused whole."""

    tx: int
    question_id: int
    student_id: str
    opened_at: datetime
    cohort: str | None = None
    job_id: str = ""
    row: int = 0
    closed_how: str = ""
    closed_load: str = ""


@dataclass(frozen=True, slots=True)
class RowDone:
    """A row of an import came to this state. `student_id`: of a rejected one, as its cells have it, if readable."""

    tx: int
    job_id: str
    row: int
    state: str
    student_id: str = ""


@dataclass(frozen=True, slots=True)
class JobWrite:
    """An import job was written. `warned`: a part of its file was left out or is in doubt."""

    tx: int
    job_id: str
    warned: bool


@dataclass(frozen=True, slots=True)
class Attested:
    tx: int
    student_id: str
    attempt_id: str
    clear: bool
    version: int
    clear_checks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    tx: int
    student_id: str
    attempt_id: str


@dataclass(frozen=True, slots=True)
class HoldReleased:
    tx: int
    student_id: str
    attempt_id: str


@dataclass(frozen=True, slots=True)
class EndReceived:
    """A department heard how an attempt ended: `accepted` or `refused`."""

    tx: int
    student_id: str
    attempt_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class CommandEnded:
    """A department kept the end of a command."""

    tx: int
    student_id: str
    command_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class ViewWrite:
    """The clearance wrote a row of the view."""

    tx: int
    student_id: str
    department: str
    version: int


@dataclass(frozen=True, slots=True)
class AttemptChange:
    """An attempt came to this state."""

    tx: int
    student_id: str
    attempt_id: str
    state: str


@dataclass(frozen=True, slots=True)
class SubmissionInsert:
    """A row was put into the table of submissions."""

    tx: int
    student_id: str
    attempt_id: str
    form_number: str
    case_number: int = 1


@dataclass(frozen=True, slots=True)
class FormVoided:
    """A form was voided."""

    tx: int
    student_id: str
    attempt_id: str


@dataclass(frozen=True, slots=True)
class ExceptionWrite:
    """An exception on a form was opened or closed. `name` as a hand-over confirms it."""

    tx: int
    attempt_id: str
    name: str
    open: bool


@dataclass(frozen=True, slots=True)
class Issued:
    """Certificates were handed over, `confirmed` the exceptions by name."""

    tx: int
    attempt_id: str
    number: int
    confirmed: frozenset[str]


@dataclass(frozen=True, slots=True)
class IssueUndone:
    tx: int
    attempt_id: str
    number: int


@dataclass(frozen=True, slots=True)
class CommandWrite:
    """The gateway wrote a command. `department` is empty for a submission."""

    tx: int
    student_id: str
    command_id: str
    department: str
    name: str
    state: str
    forms_before: int = 0


Fact: TypeAlias = (
    OutboxInsert
    | RecordWrite
    | LoadWrite
    | QuestionWrite
    | RowDone
    | JobWrite
    | Attested
    | HoldPlaced
    | HoldReleased
    | EndReceived
    | CommandEnded
    | ViewWrite
    | AttemptChange
    | SubmissionInsert
    | FormVoided
    | ExceptionWrite
    | Issued
    | IssueUndone
    | CommandWrite
)


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


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a topic. `event` is None when it cannot be read."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    event_id: str = ""
    event: Message | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything there is to judge by.

    `required`: department → its checks; `absent`: department → check → what no row about a covered student means.
    `forged` are the ids of events that the test sent itself; `ruled`: student → (department, check) left out by rules.
    `settled`: there is no new work, faults are healed, and what had to come to rest did. `faulty`: a round may have
    expired.
    """

    required: Mapping[str, tuple[str, ...]]
    absent: Mapping[str, Mapping[str, str]]
    departments: Mapping[str, DepartmentTables]
    clearance: ClearanceTables
    gateway: GatewayTables
    records: tuple[Record, ...] = ()
    ends: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """(topic, partition) → the offset behind its last record."""
    subscriptions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Consumer → the topics it has to read."""
    operations: tuple[Operation, ...] = ()
    forged: frozenset[str] = frozenset()
    ruled: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    settled: bool = True
    faulty: bool = False

    @property
    def services(self) -> dict[str, ServiceTables]:
        return {
            **{name: department.service for name, department in self.departments.items()},
            "clearance": self.clearance.service,
            "gateway": self.gateway.service,
        }
