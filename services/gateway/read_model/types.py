"""What the gateway has read about one student, as plain values. Pure: the SQL is in `queries.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from schemas.events import AttestationOutcome, CaseState, CheckStatus, Reason, StatusChanged, TakenBy


@dataclass(frozen=True, slots=True)
class Case:
    """One student's case, as the roster gave it. Empty text where the roster said nothing."""

    student_id: str
    version: int
    state: CaseState
    name: str = ""
    gender: str = ""
    grade: str = ""
    college: str = ""
    major: str = ""
    enrolled_on: date | None = None
    leave_category: str = ""
    opened_on: date | None = None


class AttemptState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The newest attempt: what each department answered so far, and how it ended."""

    attempt_id: UUID
    state: AttemptState
    opened_at: datetime
    ended_at: datetime | None = None
    cause: str = ""
    objections: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    answers: Mapping[str, AttestationOutcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attested:
    """The facts a department attested, as the form shows them for good."""

    version: int
    checks: tuple[CheckStatus, ...]
    attested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """The accepted submission. `code` is what a person reads to a desk, `qr_text` what its scanner reads.

    `qr_text` is empty in the rare case that a form does not fit a QR code: the desk checks it by number and code.
    """

    attempt_id: UUID
    form_number: str
    accepted_at: datetime
    code: str = ""
    qr_text: str = ""
    facts: Mapping[str, Attested] = field(default_factory=dict)
    issued_at: datetime | None = None
    exception_count: int = 0
    student: Case | None = None
    """The student as the form was signed for; None when that cannot be read."""


@dataclass(frozen=True, slots=True)
class ReceivedStatus:
    """One row of the view as a reader judges it: the newest status, and whether it can be relied on now."""

    status: StatusChanged
    heard_at: datetime
    readable: bool
    alive_as_of: datetime | None
    """The source's newest alive mark on this student's partition; None when it never gave one."""


@dataclass(frozen=True, slots=True)
class StudentSnapshot:
    """Everything the published read model says about one student. `case` is None for somebody not on the roster."""

    case: Case | None
    heard: Mapping[str, ReceivedStatus] = field(default_factory=dict)
    illegible: frozenset[str] = frozenset()
    """Departments whose word arrived and cannot be read at all: waiting, and for another reason than silence."""
    attempt: Attempt | None = None
    submission: Submission | None = None


@dataclass(frozen=True, slots=True)
class ReadModelUnavailable:
    """The read model cannot be reached since this instant: nothing is known, and nothing is green."""

    since: datetime


class CommandState(StrEnum):
    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"


SUBMIT = "submit"
"""Name of the one command that is the clearance's and no department's."""


@dataclass(frozen=True, slots=True)
class Command:
    """The newest command of its name a student has asked. `department` is empty for a submission."""

    command_id: UUID
    department: str
    name: str
    state: CommandState
    asked_at: datetime
    ended_at: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    objections: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    cause: str = ""


@dataclass(frozen=True, slots=True)
class CertificateIssue:
    """Certificates handed over. `issued_by` is the clerk's account."""

    issued_at: datetime
    issued_by: str
    taken_by: TakenBy
    proxy_name: str | None
    command_id: UUID


@dataclass(frozen=True, slots=True)
class OpenException:
    """What a department said against the student after the acceptance."""

    department: str
    version: int
    reasons: tuple[Reason, ...]
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class ScannedRecord:
    """A published submission, as far as a form is compared with it."""

    student_id: str
    form_number: str
    code: str
    accepted_at: datetime
    receipt: str
    facts: Mapping[str, Attested]


@dataclass(frozen=True, slots=True)
class SubmissionRecord:
    """One submission with what came after it."""

    record: ScannedRecord
    submission: Submission
    issue: CertificateIssue | None
    exceptions: tuple[OpenException, ...]


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A line of what a clerk handed over."""

    form_number: str
    name: str
    issued_at: datetime
    taken_by: TakenBy
    proxy_name: str | None
