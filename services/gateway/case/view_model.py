"""The page model: all that a template shows, in words. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.gateway.case.decision import CheckState
from services.gateway.case.progress import Standing
from services.gateway.case.submission.submission_round import SubmissionState
from services.gateway.i18n.formats import LocalTime, PhonePart


@dataclass(frozen=True, slots=True)
class Field:
    """`slot` names its place on a PC."""

    slot: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Fact:
    """`group` is the outer label on a PC, `label_phone` a phone's."""

    label: str
    label_phone: str
    group: str
    value: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class Column:
    label: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class Table:
    """`total` is the last row's label and value."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, str] | None = None
    empty: str = ""


@dataclass(frozen=True, slots=True)
class LinkView:
    label: str
    address: str


@dataclass(frozen=True, slots=True)
class CommandView:
    """`note` is how the last one went."""

    name: str
    label: str
    confirm: str
    offered: bool
    note: str = ""
    refused: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Freshness:
    """`words` have one time, or two that differ by a minute or more. `note` warns of age."""

    words: str
    true_at: LocalTime
    received_at: LocalTime
    cause: str
    note: str = ""


class Turn(StrEnum):
    """Whose turn an open check is: 需您办理, 等待部门."""

    STUDENT = "student"
    DEPARTMENT = "department"


@dataclass(frozen=True, slots=True)
class CommentView:
    """`heading` and `text` of the newest one, if there is any; `answered` and `answer` once it has one.

    `offered`: another may be written.
    """

    heading: str
    text: str
    answered: str
    answer: str
    offered: bool
    ask: str
    address: str


@dataclass(frozen=True, slots=True)
class CheckView:
    """`turned` and `updated` are read out when the state or the facts change. `todo` is for an open check,
    `waiver` for one that the student does not need.
    """

    anchor: str
    department: str
    department_title: str
    icon: str
    title: str
    state: CheckState
    verdict: str
    known: bool
    facts: tuple[Fact, ...]
    table: Table | None
    details: Table | None
    link: LinkView | None
    links: tuple[LinkView, ...]
    todo: tuple[str, ...]
    notes: tuple[str, ...]
    waiver: str
    phones: tuple[PhonePart, ...]
    place: str
    hours: str
    turn: Turn | None
    """None for a check that passes."""
    turn_word: str
    command: CommandView | None
    freshness: Freshness | None
    turned: str
    updated: str
    comment: CommentView | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """`verdict` is shown when there are several checks."""

    department: str
    icon: str
    title: str
    state: CheckState
    verdict: str
    lines: tuple[CheckView, ...]


@dataclass(frozen=True, slots=True)
class LaterMatter:
    """What came up after the acceptance: whose it is, what, and whom to call."""

    source: str
    sentences: tuple[str, ...]
    phones: tuple[PhonePart, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """A check in the summary. `what` is empty for one that passes."""

    anchor: str
    title: str
    state: CheckState
    verdict: str
    what: str
    turn: Turn | None
    turn_word: str
    phones: tuple[PhonePart, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """`tone` is a check state, `asked`, `done`, or `caution`: done, and something came up since."""

    tone: str
    sentence: str
    next_step: str
    tasks: tuple[Task, ...] = ()
    """Every check, while one is open."""
    turns: str = ""
    """How many of the open ones are whose turn; empty while every one waits for data."""
    matters: tuple[LaterMatter, ...] = ()

    @property
    def open(self) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if not task.state.passes)

    @property
    def clear(self) -> int:
        return sum(task.state is CheckState.CLEAR for task in self.tasks)

    @property
    def waived(self) -> int:
        return sum(task.state is CheckState.WAIVED for task in self.tasks)


@dataclass(frozen=True, slots=True)
class RoundLine:
    """`state`: waiting, confirmed, objected."""

    state: str
    words: str


@dataclass(frozen=True, slots=True)
class SubmitView:
    """`refusal`: how the last attempt ended, if not accepted."""

    state: SubmissionState
    sentence: str
    round: tuple[RoundLine, ...] = ()
    refusal: str = ""
    refusal_reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FormView:
    form_number: str
    accepted: LocalTime
    code: str
    qr_text: str
    student: tuple[Field, ...]
    groups: tuple[Group, ...]
    exceptions: tuple[LaterMatter, ...]
    issued: LocalTime | None
    void: str = ""
    """Since when, why and what replaces it; empty if it stands."""
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class EarlierForm:
    """A form that is void or of an earlier case. `ordinal`: of the student's forms, from 1; its address has no more."""

    ordinal: int
    form_number: str
    accepted: LocalTime
    void: str


@dataclass(frozen=True, slots=True)
class CasePage:
    """`notice` tells of a form of this case that was voided and is not replaced yet."""

    standing: Standing
    student: tuple[Field, ...]
    applied_on: str
    summary: Summary
    groups: tuple[Group, ...]
    submit: SubmitView
    form: FormView | None
    notice: str
    earlier: tuple[EarlierForm, ...]
    now: datetime = field(compare=False)
    """Not compared: later, the same progress is the same page."""
