"""What the gateway has read about one student, as plain values. Pure: the SQL is in `students` and `submissions`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from schemas.attempts import AttemptState
from schemas.events import AttestationOutcome, CaseState, CheckStatus, Reason, StatusChanged, TakenBy


@dataclass(frozen=True, slots=True)
class Case:
    """One student's case, as the roster has it. Empty text where the roster has nothing."""

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


@dataclass(frozen=True, slots=True)
class Attempt:
    """The newest attempt: the departments' answers so far, and how it ended."""

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
    """The accepted submission. `code` is typed at a desk, `qr_text` read by its scanner.

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
    """A department's newest status of a student, and what tells whether it can be relied on now."""

    status: StatusChanged
    received_at: datetime
    readable: bool
    """False when a newer status than this one arrived and cannot be decoded."""
    alive_as_of: datetime | None
    """The department's newest alive mark on this student's partition; None when there is none."""

    def check(self, name: str) -> CheckStatus | None:
        return next((one for one in self.status.checks if one.check == name), None)


@dataclass(frozen=True, slots=True)
class StudentSnapshot:
    """The published read model of one student. `case` is None off the roster, `statuses` are by department."""

    case: Case | None
    statuses: Mapping[str, ReceivedStatus] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    """Departments whose only status arrived and cannot be decoded: waiting, for another reason than silence."""
    attempt: Attempt | None = None
    submission: Submission | None = None


@dataclass(frozen=True, slots=True)
class ReadModelUnavailable:
    """The read model does not answer since this instant: nothing is known, and no check passes."""

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
    """A recorded handover. `issued_by` is the clerk's account."""

    issued_at: datetime
    issued_by: str
    taken_by: TakenBy
    proxy_name: str | None
    command_id: UUID


@dataclass(frozen=True, slots=True)
class OpenException:
    """A check that a department took back after the acceptance."""

    department: str
    version: int
    reasons: tuple[Reason, ...]
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class PublishedSubmission:
    """What a form is compared with."""

    student_id: str
    form_number: str
    code: str
    accepted_at: datetime
    receipt: str
    facts: Mapping[str, Attested]


@dataclass(frozen=True, slots=True)
class SubmissionRecord:
    """One submission and what came after it."""

    published: PublishedSubmission
    submission: Submission
    issue: CertificateIssue | None
    exceptions: tuple[OpenException, ...]


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """One handover in a clerk's list."""

    form_number: str
    name: str
    issued_at: datetime
    taken_by: TakenBy
    proxy_name: str | None
