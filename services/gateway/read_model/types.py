"""What the read model holds of one student. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from schemas.attempts import AttemptState
from schemas.events import AttestationOutcome, CaseState, CheckStatus, DocumentSeal, Reason, StatusChanged, TakenBy
from services.kit.rules.waivers import Waiver


@dataclass(frozen=True, slots=True)
class Case:
    """As on the roster; empty text where it has nothing."""

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
    case_number: int = 1


@dataclass(frozen=True, slots=True)
class Attempt:
    attempt_id: UUID
    state: AttemptState
    opened_at: datetime
    ended_at: datetime | None = None
    cause: str = ""
    objections: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    answers: Mapping[str, AttestationOutcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attested:
    version: int
    checks: tuple[CheckStatus, ...]
    attested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """`code` is typed at a desk, `qr_text` scanned; empty if too long for a QR code."""

    attempt_id: UUID
    form_number: str
    accepted_at: datetime
    code: str = ""
    qr_text: str = ""
    facts: Mapping[str, Attested] = field(default_factory=dict)
    issued_at: datetime | None = None
    exceptions: "tuple[OpenException, ...]" = ()
    student: Case | None = None
    """As signed, if that can be read."""
    waivers: tuple[Waiver, ...] = ()
    case_number: int = 1
    void: "FormVoid | None" = None
    replaces: str = ""
    """The number of the void form before it in the case."""


@dataclass(frozen=True, slots=True)
class FormVoid:
    """`replaced_by` is empty until the student has submitted again."""

    voided_at: datetime
    reason: str
    replaced_by: str = ""


class KnownStatus(msgspec.Struct, frozen=True):
    """A department's `StatusChanged`. Every page has several, and a model costs as much as all else about it."""

    student_id: str
    department: str
    version: int
    occurred_at: datetime
    cause: Reason
    checks: tuple[CheckStatus, ...]


def known_status(event: StatusChanged) -> KnownStatus:
    return KnownStatus(event.student_id, event.department, event.version, event.occurred_at, event.cause, event.checks)


@dataclass(frozen=True, slots=True)
class ReceivedStatus:
    status: KnownStatus
    received_at: datetime
    readable: bool
    """False when a newer status cannot be decoded."""
    alive_as_of: datetime | None
    """The newest alive mark on this student's partition, if any."""

    def check(self, name: str) -> CheckStatus | None:
        for one in self.status.checks:
            if one.check == name:
                return one
        return None


@dataclass(frozen=True, slots=True)
class StudentWaivers:
    """`attributes` of the roster; `exemptions` in force now."""

    attributes: Mapping[str, str | None] = field(default_factory=dict)
    exemptions: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True)
class StudentSnapshot:
    """`case` is None off the roster, `statuses` are by department."""

    case: Case | None
    statuses: Mapping[str, ReceivedStatus] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    """Departments whose only status cannot be decoded."""
    attempt: Attempt | None = None
    """The newest."""
    forms: tuple[Submission, ...] = ()
    """Every accepted submission of every case, void ones too, oldest first."""
    waivers: StudentWaivers = StudentWaivers()
    former: tuple[tuple[str, "StudentSnapshot"], ...] = ()
    """What is under each former number of the person."""

    @property
    def submission(self) -> Submission | None:
        """The form that stands in the case of now."""
        if self.case is None:
            return None
        number = self.case.case_number
        return next((form for form in self.forms if form.case_number == number and form.void is None), None)


@dataclass(frozen=True, slots=True)
class ReadModelUnavailable:
    """Nothing is known, and no check passes."""

    since: datetime


class CommandState(StrEnum):
    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"


UNANSWERED: Final = "unanswered"
"""Cause of a command that was given up: it may have taken effect, and what is known later replaces it."""

SUBMIT = "submit"
"""The one command that is the clearance's and no department's."""


@dataclass(frozen=True, slots=True)
class Command:
    """The newest of its name. `department` is empty for a submission."""

    command_id: UUID
    department: str
    name: str
    state: CommandState
    asked_at: datetime
    ended_at: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    objections: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    cause: str = ""
    forms_before: int = 0
    """Of a submission: how many forms the student had when it was requested."""


@dataclass(frozen=True, slots=True)
class IssueUndo:
    undone_at: datetime
    undone_by: str
    reason: str
    command_id: UUID


@dataclass(frozen=True, slots=True)
class CertificateIssue:
    """A recorded hand-over. `issued_by` is the clerk's account, `confirmed` names exceptions, `reason` says why."""

    issued_at: datetime
    issued_by: str
    taken_by: TakenBy
    proxy_name: str | None
    command_id: UUID
    confirmed: tuple[str, ...] = ()
    reason: str = ""
    undo: IssueUndo | None = None
    document: DocumentSeal | None = None
    """Of the proxy's."""


ROSTER: Final = "roster"
"""Stands for a department in the name of an exception."""


@dataclass(frozen=True, slots=True)
class OpenException:
    """What a department, or the roster, said after the acceptance. A clerk confirms it by its `name`."""

    name: str
    department: str
    reasons: tuple[Reason, ...]
    opened_at: datetime
    former_number: str = ""
    """It is about a former number of the person."""


@dataclass(frozen=True, slots=True)
class PublishedSubmission:
    """What a form is compared with. `former_receipts`: as it was signed before it was signed again."""

    student_id: str
    form_number: str
    code: str
    accepted_at: datetime
    receipt: str
    facts: Mapping[str, Attested]
    waivers: tuple[Waiver, ...] = ()
    replaces: str = ""
    former_receipts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmissionRecord:
    """`issues`: every hand-over, oldest first; at most the last one stands."""

    published: PublishedSubmission
    submission: Submission
    issues: tuple[CertificateIssue, ...] = ()
    exceptions: tuple[OpenException, ...] = ()

    @property
    def issue(self) -> CertificateIssue | None:
        """The hand-over that stands."""
        return self.issues[-1] if self.issues and self.issues[-1].undo is None else None


@dataclass(frozen=True, slots=True)
class FormHolder:
    """A student on the roster. `form_number` of the form that stands, empty without one."""

    student_id: str
    name: str
    college: str
    major: str
    form_number: str


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    form_number: str
    name: str
    issued_at: datetime
    taken_by: TakenBy
    proxy_name: str | None
