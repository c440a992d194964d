"""What was committed, as plain values: one fact a row that a transaction wrote."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from schemas.events import Message


@dataclass(frozen=True, slots=True)
class Committed:
    """`tx` is the transaction that wrote it."""

    tx: int


@dataclass(frozen=True, slots=True)
class AttemptFact(Committed):
    """About a student's attempt."""

    student_id: str
    attempt_id: str


@dataclass(frozen=True, slots=True)
class OutboxInsert(Committed):
    """A row was put into the outbox."""

    topic: str
    event_id: str
    event: Message


@dataclass(frozen=True, slots=True)
class RecordWrite(Committed):
    """A department wrote a student's record. `clear` is what its own rules say of the body, not what it said itself.

    `clear_checks`: the same, check by check; `own`: checks with evidence about the student.
    """

    student_id: str
    clear: bool
    version: int
    body: str = ""
    clear_checks: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    cohort: str | None = None


@dataclass(frozen=True, slots=True)
class LoadWrite(Committed):
    """A covering load was declared or withdrawn. No `cohort`: for every student; `job_id` is empty without a file."""

    load_id: str
    cohort: str | None
    checks: frozenset[str]
    as_of: datetime
    valid: bool
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class QuestionWrite(Committed):
    """A question was opened or closed. Without `student_id` it is about a file refused whole."""

    question_id: int
    student_id: str
    opened_at: datetime
    cohort: str | None = None
    job_id: str = ""
    row: int = 0
    closed_how: str = ""
    closed_load: str = ""


@dataclass(frozen=True, slots=True)
class RowDone(Committed):
    """A row of an import came to this state. `student_id`: of a rejected one, as its cells have it, if readable."""

    job_id: str
    row: int
    state: str
    student_id: str = ""


@dataclass(frozen=True, slots=True)
class JobWrite(Committed):
    """An import job was written. `warned`: a part of its file was left out or is in doubt."""

    job_id: str
    warned: bool


@dataclass(frozen=True, slots=True)
class Attested(AttemptFact):
    """A department answered an attempt. `clear_checks`: those that it called clear."""

    clear: bool
    version: int
    clear_checks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HoldPlaced(AttemptFact):
    """A department holds the student for an attempt."""


@dataclass(frozen=True, slots=True)
class HoldReleased(AttemptFact):
    """A department released its hold."""


@dataclass(frozen=True, slots=True)
class HoldLapsed(AttemptFact):
    """A department ended its hold because the attempt's life is over and no end of it has arrived."""


@dataclass(frozen=True, slots=True)
class EndReceived(AttemptFact):
    """A department received how an attempt ended: `accepted` or `refused`."""

    outcome: str


@dataclass(frozen=True, slots=True)
class CommandEnded(Committed):
    """A department kept the end of a command."""

    student_id: str
    command_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class ViewWrite(Committed):
    """The clearance wrote a row of the view."""

    student_id: str
    department: str
    version: int


@dataclass(frozen=True, slots=True)
class AttemptChange(AttemptFact):
    """An attempt came to this state."""

    state: str


@dataclass(frozen=True, slots=True)
class SubmissionInsert(AttemptFact):
    """A row was put into the table of submissions."""

    form_number: str
    case_number: int = 1


@dataclass(frozen=True, slots=True)
class FormVoided(AttemptFact):
    """A form was voided."""


@dataclass(frozen=True, slots=True)
class ExceptionWrite(Committed):
    """An exception on a form was opened or closed. `name` as a hand-over confirms it."""

    attempt_id: str
    name: str
    open: bool


@dataclass(frozen=True, slots=True)
class Issued(Committed):
    """Certificates were handed over, `confirmed` the exceptions by name."""

    attempt_id: str
    number: int
    confirmed: frozenset[str]


@dataclass(frozen=True, slots=True)
class IssueUndone(Committed):
    """A hand-over was undone."""

    attempt_id: str
    number: int


@dataclass(frozen=True, slots=True)
class CommandWrite(Committed):
    """The gateway wrote a command. `department` is empty for a submission."""

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
    | HoldLapsed
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
