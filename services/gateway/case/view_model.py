"""The page model: all that a template shows, already in words; compared by value. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from services.gateway.case.decision import CheckState
from services.gateway.case.progress import Standing
from services.gateway.case.submission_round import SubmissionState
from services.gateway.i18n.formats import LocalTime, PhonePart


@dataclass(frozen=True, slots=True)
class Field:
    """One labelled value. `slot` names its place on a PC, where the order is not that of a phone."""

    slot: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a check. `group` is the outer label on a PC, `label_phone` the label on a phone."""

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
    """A check whose facts are rows. `total` is the last row's label and value; `empty` stands for no rows."""

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
    """A check's command. `note` is how the last one went; while `waiting` it is under way."""

    name: str
    label: str
    confirm: str
    offered: bool
    note: str = ""
    refused: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Freshness:
    """When a status was true at the department and when it was received. `note` warns that this is long ago."""

    true_at: LocalTime
    received_at: LocalTime
    cause: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check. `turned` and `updated` are read out by a live region when its state or its facts change.

    `todo` is what speaks against an open check, `notes` what the student should know in any state.
    """

    anchor: str
    department: str
    department_title: str
    title: str
    state: CheckState
    verdict: str
    known: bool
    facts: tuple[Fact, ...]
    table: Table | None
    link: LinkView | None
    todo: tuple[str, ...]
    notes: tuple[str, ...]
    phones: tuple[PhonePart, ...]
    command: CommandView | None
    freshness: Freshness | None
    turned: str
    updated: str


@dataclass(frozen=True, slots=True)
class Group:
    """A department with its checks. `verdict` is shown when there are several."""

    department: str
    title: str
    state: CheckState
    verdict: str
    lines: tuple[CheckView, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The headline of the page. `tone` is a check state, or `done`."""

    tone: str
    sentence: str
    next_step: str
    open: tuple[tuple[str, str], ...]
    """Anchor and title of each open line."""


@dataclass(frozen=True, slots=True)
class RoundLine:
    """One department's part of the confirmation round. `state`: waiting, confirmed, objected."""

    state: str
    words: str


@dataclass(frozen=True, slots=True)
class SubmitView:
    """`refusal` is how the last attempt ended, when it was not accepted."""

    state: SubmissionState
    sentence: str
    round: tuple[RoundLine, ...] = ()
    refusal: str = ""
    refusal_reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FormView:
    """The accepted submission, as the completed page and the PDF show it."""

    form_number: str
    accepted: LocalTime
    code: str
    qr_text: str
    student: tuple[Field, ...]
    groups: tuple[Group, ...]
    exceptions: int
    issued: LocalTime | None


@dataclass(frozen=True, slots=True)
class CasePage:
    standing: Standing
    student: tuple[Field, ...]
    applied_on: str
    summary: Summary
    groups: tuple[Group, ...]
    submit: SubmitView
    form: FormView | None
    now: datetime = field(compare=False)
    """Not compared: the same progress a moment later is the same page."""
