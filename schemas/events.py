"""Every event between services: the source of the published JSON Schemas.

Events are versioned states: a newer version replaces an older one, so repetition, reordering and replay are harmless.
Readers ignore unknown fields; an unknown verdict, state or outcome is unreadable, never clear.
"""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schemas.types import (
    MAX_CHECKS,
    MAX_DEPARTMENTS,
    MAX_NAMED_STUDENTS,
    MAX_NUMBER,
    MAX_REASONS,
    NAME_PATTERN,
    Facts,
    Id,
    Parameters,
)
from schemas.types import MAX_VERSION as MAX_VERSION
from schemas.types import Instant as Instant
from schemas.types import Name as Name
from schemas.types import StudentId as StudentId
from schemas.types import Version as Version


class Message(BaseModel):
    """Immutable; ignores unknown fields, and quotes no input in errors."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Verdict(StrEnum):
    CLEAR = "clear"
    BLOCKED = "blocked"


NO_DATA: Final = "no-data"
"""No evidence: no record, act or covering load of the department includes the student. Such a check has no facts."""
OPEN_QUESTION: Final = "open-question"
"""A row about the student was refused, and neither a good row or act nor a person has settled it yet."""
UNKNOWN_REASONS: Final[frozenset[str]] = frozenset({NO_DATA, OPEN_QUESTION})
"""Reserved codes of a check nobody can vouch for. No department has reasons of its own with these codes."""


class Reason(Message):
    """Why a check is blocked: a code of the department, and the parameters of its text.

    Two codes are reserved and mean that the department does not know: `no-data`, nothing there covers the student;
    `open-question`, data about the student was refused and is not settled. A reader that does not know them blocks; one
    that does shows the check as waiting. Both may stand beside other reasons.
    """

    code: Name
    parameters: Parameters = {}


Reasons = Annotated[tuple[Reason, ...], Field(max_length=MAX_REASONS)]


class CheckStatus(Message):
    """One check of one student. `facts` is what the student's page shows; money in it is a decimal string.

    `blocked` with a reserved reason (`no-data`, `open-question`) is unknown, not blocked. With `no-data`, `facts` is
    empty.
    """

    check: Name
    verdict: Verdict
    reasons: Reasons = ()
    facts: Facts = {}


def _distinct(checks: tuple[CheckStatus, ...]) -> tuple[CheckStatus, ...]:
    if len({status.check for status in checks}) != len(checks):
        raise ValueError("a check is named twice: which verdict holds is ambiguous")
    return checks


Checks = Annotated[tuple[CheckStatus, ...], Field(min_length=1, max_length=MAX_CHECKS), AfterValidator(_distinct)]


class StatusChanged(Message):
    """A department's status of one student, number `version`. Key and compaction: by `student_id`.

    All checks of the department are in one event, so that compaction by student loses nothing.
    `occurred_at` is when the change became true in the department; `cause` is what happened there.
    """

    student_id: StudentId
    department: Name
    version: Version
    occurred_at: Instant
    cause: Reason
    checks: Checks


class StatusDigest(Message):
    """Of the newest statuses that a department has on students of one partition.

    `sum` is of the statuses' hashes, modulo 2^64, in hexadecimal. A hash is PostgreSQL's `hashtextextended(text, 0)`,
    the text being student id, version and the status's `data` as published, with U+001F between them.
    """

    count: Annotated[int, Field(ge=0, le=MAX_NUMBER)]
    sum: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]

    @classmethod
    def of(cls, count: int, total: int) -> "StatusDigest":
        """`total`: of the hashes as signed numbers."""
        return cls(count=count, sum=f"{total % 2**64:016x}")


MarkNumber = Annotated[int | None, Field(ge=1, le=MAX_VERSION, exclude_if=lambda number: number is None)]


class SourceAlive(Message):
    """The department has sent everything committed before `as_of`, and all of it precedes this mark.

    With `digest`, exactly the statuses it is of precede this mark on the partition, the newest of each student.
    `number` counts the marks in the department's database: one that knows a lower number comes from a backup.
    """

    department: Name
    as_of: Instant
    digest: Annotated[StatusDigest | None, Field(exclude_if=lambda digest: digest is None)] = None
    number: MarkNumber = None


Cohort = Annotated[str, Field(min_length=1, max_length=60, examples=["2026"])]
RosterCohort = Annotated[Cohort | None, Field(exclude_if=lambda cohort: cohort is None)]
CaseNumber = Annotated[int, Field(ge=1, le=999, exclude_if=lambda number: number == 1)]


class CaseState(StrEnum):
    OPEN = "open"
    """On the roster as 毕业离校: the departments publish statuses of this student."""
    NOT_SERVED = "not-served"
    """On the roster, in a leave category that does not use the service (结业)."""
    CLOSED = "closed"
    """Taken off the roster."""
    COMPLETED = "completed"
    """The submission was accepted."""


class CaseChanged(Message):
    """The state of one student's case. Carries no name: a department needs none. Key: `student_id`.

    `cohort` is the roster's graduation season (届别), by which a department's covering load includes the student: NFKC,
    without outer spaces, compared as it is. Absent when the roster names none.

    `case_number` counts the cases of this student id, one departure after another: what is known from an earlier one
    is no evidence for the next. Absent for the first.
    """

    student_id: StudentId
    version: Version
    state: CaseState
    occurred_at: Instant
    cohort: RosterCohort = None
    case_number: CaseNumber = 1


StatusPartition = Annotated[int | None, Field(ge=0, le=9999, exclude_if=lambda partition: partition is None)]
AboveVersion = Annotated[Version | None, Field(exclude_if=lambda version: version is None)]


class RepublicationAsked(Message):
    """A department is asked to publish its newest statuses again, under higher versions. Key: `department`.

    Of the students named; else of those in one partition of its status topic; else of every student. `above_version`:
    the highest that a reader knows; a department whose own are lower was restored, and goes on above it. `reason`:
    `older-version` (a status arrived with a lower version than the one before it), `log-lost` (the topic lost records),
    `digest-differs` (a reader's copy is another) or `requested`.
    """

    request_id: Id
    department: Name
    student_ids: Annotated[tuple[StudentId, ...], Field(max_length=MAX_NAMED_STUDENTS)] = ()
    partition: StatusPartition = None
    above_version: AboveVersion = None
    reason: Name
    asked_at: Instant


AcceptedEnd = Annotated[bool, Field(exclude_if=lambda accepted: not accepted)]


class AuditSealed(Message):
    """The newest seal of a service's audit, kept outside its database. Key: `service`.

    Only the service reads it, and its `audit verify`: the chain has to have each such seal, so that newest entries that
    were removed are missed. `accepted`: an operator took the chain as it ends here, because the database comes from a
    backup: seals before this record are not looked for any more.
    """

    service: Name
    seq: Annotated[int, Field(ge=0, le=MAX_NUMBER)]
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    accepted: AcceptedEnd = False


class SessionProof(Message):
    """What shows that a person's session asked for the command: signed by the session's key, Ed25519 in base64url.

    Signed is the JSON array of the text `lixiao session proof 1`, the event's type and the command's fields in the
    order of its schema, without `asked_at`, this proof and a `proxy_document` that is absent, as Python's `json.dumps`
    writes it.
    """

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{86}$")]


CommandProof = Annotated[SessionProof | None, Field(exclude_if=lambda proof: proof is None)]


class SubmitAsked(Message):
    """A student submitted (提交离校服务). `command_id` is also the id of the attempt it opens."""

    command_id: Id
    student_id: StudentId
    asked_at: Instant
    session: CommandProof = None


class CommandAsked(Message):
    """A student asks a department to change their own account, for example `cancel-card`."""

    command_id: Id
    student_id: StudentId
    department: Name
    command: Name
    asked_at: Instant
    session: CommandProof = None


class CommandOutcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


class CommandAnswered(Message):
    """The outcome of a command. A refusal has reasons; the effect of a done one is in the department's next status."""

    command_id: Id
    student_id: StudentId
    department: Name
    outcome: CommandOutcome
    reasons: Reasons = ()
    answered_at: Instant


FormNumber = Annotated[str, Field(min_length=1, max_length=64)]
PersonName = Annotated[str, Field(min_length=1, max_length=100)]


class TakenBy(StrEnum):
    SELF = "self"
    PROXY = "proxy"


ExceptionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62} [1-9][0-9]{0,9}$")]
"""Whose exception and which, as `finance 4` or `roster 1`."""
StaffReason = Annotated[str, Field(min_length=1, max_length=500)]


class DocumentSeal(Message):
    """An identity document's number as an HMAC-SHA-256 in hexadecimal, and the id of its key. The number is nowhere."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CertificateIssueAsked(Message):
    """The certificate desk hands over the certificates of a form, once. Key: `student_id`.

    `asked_by` is the clerk's account. `proxy_name` is set exactly when a proxy collects them. A form with an open
    exception is handed over only if `confirmed` names it, with a `reason`. `proxy_document`: what the proxy presented,
    where the desk keeps it.
    """

    command_id: Id
    student_id: StudentId
    form_number: FormNumber
    asked_by: Annotated[str, Field(min_length=1, max_length=255)]
    taken_by: TakenBy
    proxy_name: PersonName | None = None
    confirmed: Annotated[tuple[ExceptionName, ...], Field(max_length=MAX_DEPARTMENTS + 1)] = ()
    reason: StaffReason | None = None
    proxy_document: Annotated[DocumentSeal | None, Field(exclude_if=lambda seal: seal is None)] = None
    asked_at: Instant
    session: CommandProof = None


class CertificateIssueUndoAsked(Message):
    """The certificate desk takes a hand-over back: it was booked by mistake, or the certificates came back.

    `issue_command_id` is the command of the newest hand-over of this form, the only one that can be undone.
    """

    command_id: Id
    student_id: StudentId
    form_number: FormNumber
    issue_command_id: Id
    asked_by: Annotated[str, Field(min_length=1, max_length=255)]
    reason: StaffReason
    asked_at: Instant
    session: CommandProof = None


ChecksByDepartment = Annotated[
    dict[Name, Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_CHECKS)]],
    Field(max_length=MAX_DEPARTMENTS, json_schema_extra={"propertyNames": {"pattern": NAME_PATTERN}}),
]


class SubmissionRequested(Message):
    """An attempt was opened: each required department answers once with `AttestationGiven` for `attempt_id`.

    `waived` maps a department to those of its checks that this student does not need: it attests and holds on the
    others. A department that does not read the field answers on all its checks, which is never too little.

    `cohort` and `case_number` are as in `CaseChanged`: a department that has not received the case yet goes by them.
    """

    attempt_id: Id
    student_id: StudentId
    required: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_DEPARTMENTS)]
    waived: ChecksByDepartment = {}
    cohort: RosterCohort = None
    case_number: CaseNumber = 1
    opened_at: Instant
    expires_at: Instant


class AttestationOutcome(StrEnum):
    CLEAR = "clear"
    OBJECTED = "objected"


class EndOutcome(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    LAPSED = "lapsed"
    """No end arrived: the department's hold ended with the attempt's life."""


class KnownEnd(Message):
    """How an attempt ended, as its department received it. `cause` is of a refusal, if it is known."""

    outcome: EndOutcome
    cause: Name | None = None


class AttestationGiven(Message):
    """A department's answer to an attempt, made with the student's record locked. `clear` placed a hold.

    `clear` is about the checks that the request did not waive; `checks` has all of them, also the waived, and is what
    the answer rests on. `version` is the department's newest status at `attested_at`. A check with a reserved
    reason (`no-data`, `open-question`) is an objection too: the department does not know.

    `held_until`: the hold stands at least until then; without it, until the `expires_at` of the request. The same
    answer is given again with a later one when an attempt is requested with a longer life.

    With `ended` it is no answer but what the department knows and the clearance may have lost: the attempt is over
    there, and nothing is held. Its outcome is then `objected`.
    """

    attempt_id: Id
    student_id: StudentId
    department: Name
    outcome: AttestationOutcome
    version: Version
    checks: Checks
    attested_at: Instant
    held_until: Annotated[Instant | None, Field(exclude_if=lambda until: until is None)] = None
    ended: Annotated[KnownEnd | None, Field(exclude_if=lambda ended: ended is None)] = None


class AttestedFacts(Message):
    """What a department attested, as in its `AttestationGiven`."""

    version: Version
    attested_at: Instant
    checks: Checks


_Attested = Annotated[
    dict[Name, AttestedFacts],
    Field(max_length=MAX_DEPARTMENTS, json_schema_extra={"propertyNames": {"pattern": NAME_PATTERN}}),
]
FormText = Annotated[str, Field(max_length=1000)]


class FormWaiver(Message):
    """A check that the form leaves out, and why. `until` is a day, as 2026-07-31."""

    department: Name
    check: Name
    kind: Name
    reason: FormText
    reason_en: FormText = ""
    until: Annotated[str, Field(max_length=10)] | None = None


class AcceptedForm(Message):
    """The form as it was signed: a clearance whose database was restored has it again under the same number.

    Only the clearance reads it. `receipt` is the signed JWS, `student` the roster's data as accepted.
    """

    case_number: Annotated[int, Field(ge=1, le=10_000)]
    sequence: Annotated[int, Field(ge=1, le=10_000)]
    receipt: Annotated[str, Field(min_length=1, max_length=262_144)]
    student: Annotated[dict[str, FormText | None], Field(max_length=64)]
    facts: _Attested
    former: Annotated[dict[StudentId, _Attested], Field(max_length=64)] = {}
    waivers: Annotated[tuple[FormWaiver, ...], Field(max_length=MAX_DEPARTMENTS * MAX_CHECKS)] = ()
    opened_at: Instant
    expires_at: Instant


class SubmissionAccepted(Message):
    """The attempt was accepted: every required department attested clear. Departments release its holds."""

    attempt_id: Id
    student_id: StudentId
    form_number: FormNumber
    accepted_at: Instant
    form: Annotated[AcceptedForm | None, Field(exclude_if=lambda form: form is None)] = None


Objections = Annotated[
    dict[Name, Annotated[tuple[Reason, ...], Field(max_length=MAX_CHECKS * MAX_REASONS)]],
    Field(max_length=MAX_DEPARTMENTS, json_schema_extra={"propertyNames": {"pattern": NAME_PATTERN}}),
]


class SubmissionRefused(Message):
    """The attempt was refused: its holds are released. `objections` maps a department to its reasons."""

    attempt_id: Id
    student_id: StudentId
    cause: Name
    objections: Objections = {}
    refused_at: Instant


class ReminderAsked(Message):
    """A member of staff reminds a student of checks that are open. Key: `student_id`.

    One press asks it of many students: `reminder_id` is the press, `command_id` is made of it and the student.
    `checks` maps a department to those of its checks that are meant. What passed since, or what the student was
    reminded of a short time before, is left out by the receiver. `asked_by` is the account.
    """

    command_id: Id
    reminder_id: Id
    student_id: StudentId
    checks: Annotated[ChecksByDepartment, Field(min_length=1)]
    asked_by: Annotated[str, Field(min_length=1, max_length=255)]
    asked_at: Instant
    session: CommandProof = None


class NoticeSent(Message):
    """A notice was handed over to a channel: a mail server or a robot took it. Key: `student_id`.

    `occasions` are the ids of what it was about. Only the notice service reads it, also to know after a restore what
    was sent since the backup. Carries neither text nor address.
    """

    notice_id: Id
    student_id: StudentId
    channel: Name
    occasions: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_DEPARTMENTS * MAX_CHECKS)]
    sent_at: Instant


class Tombstone(Message):
    """A record without a value whose header says so: whatever the topic held under the key is forgotten.

    No event: it has no document.
    """

    student_id: StudentId
    topic: str


EVENT_TYPES: Final[dict[str, type[Message]]] = {
    "lixiao.status-changed.v1": StatusChanged,
    "lixiao.source-alive.v1": SourceAlive,
    "lixiao.case-changed.v1": CaseChanged,
    "lixiao.republication-asked.v1": RepublicationAsked,
    "lixiao.audit-sealed.v1": AuditSealed,
    "lixiao.submit-asked.v1": SubmitAsked,
    "lixiao.command-asked.v1": CommandAsked,
    "lixiao.command-answered.v1": CommandAnswered,
    "lixiao.certificate-issue-asked.v1": CertificateIssueAsked,
    "lixiao.certificate-issue-undo-asked.v1": CertificateIssueUndoAsked,
    "lixiao.submission-requested.v1": SubmissionRequested,
    "lixiao.attestation-given.v1": AttestationGiven,
    "lixiao.submission-accepted.v1": SubmissionAccepted,
    "lixiao.submission-refused.v1": SubmissionRefused,
    "lixiao.notice-sent.v1": NoticeSent,
    "lixiao.reminder-asked.v1": ReminderAsked,
}
"""By CloudEvents `type`. A breaking change is a new type beside the old one."""

TYPE_OF: Final[dict[type[Message], str]] = {model: name for name, model in EVENT_TYPES.items()}


def json_schema(model: type[Message]) -> dict[str, Any]:
    schema = model.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
