"""The page model: everything a template shows, already in words. Values only, compared by value."""

from dataclasses import dataclass, field
from datetime import datetime

from services.gateway.case.decision import CheckState
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
    """A check whose facts are rows. `total` is the last row's label and value; `empty` is said when there is no row."""

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
    """A command of a line. `offered` shows the button; `note` says how the last one went, `waiting` that it is on."""

    name: str
    label: str
    confirm: str
    offered: bool
    note: str = ""
    refused: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Freshness:
    """When a line was true at the department and when it was heard here. `note` is said when that is too long ago."""

    true_at: LocalTime
    heard_at: LocalTime
    cause: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check. `turned` and `updated` are what a live region says when it turns or its facts change."""

    anchor: str
    department: str
    department_title: str
    check: str
    title: str
    state: CheckState
    verdict: str
    known: bool
    facts: tuple[Fact, ...]
    table: Table | None
    link: LinkView | None
    todo: tuple[str, ...]
    phones: tuple[PhonePart, ...]
    command: CommandView | None
    freshness: Freshness | None
    turned: str
    updated: str


@dataclass(frozen=True, slots=True)
class Group:
    """A department with its lines. `verdict` is shown when there are several: it passes when all of them do."""

    department: str
    title: str
    state: CheckState
    verdict: str
    lines: tuple[CheckView, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The answer to "am I done, and if not, what next?". `tone` is a state, or `done`."""

    tone: str
    sentence: str
    next_step: str
    open: tuple[tuple[str, str], ...]
    """Anchor and title of each open line."""


@dataclass(frozen=True, slots=True)
class RoundLine:
    """One department's part of the confirmation round. `state`: waiting, confirmed, objected."""

    title: str
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class SubmitView:
    """`state`: open-items, ready, asked, done, away. `refusal` is how the last attempt ended, when it was refused."""

    state: str
    sentence: str
    missing: tuple[tuple[str, str], ...] = ()
    round: tuple[RoundLine, ...] = ()
    refusal: str = ""
    refusal_reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FormView:
    """The accepted submission as the completed page and the print form show it."""

    form_number: str
    accepted: LocalTime
    code: str
    qr_text: str
    basics: tuple[Field, ...]
    groups: tuple[Group, ...]
    exceptions: int
    issued: LocalTime | None


@dataclass(frozen=True, slots=True)
class CasePage:
    """The information page. `standing`: open, not-served, absent, completed, away."""

    standing: str
    basics: tuple[Field, ...]
    applied_on: str
    summary: Summary
    groups: tuple[Group, ...]
    submit: SubmitView
    form: FormView | None
    now: datetime = field(compare=False)
    """The instant of the page: the same reading shows otherwise when a source has been silent for too long."""
    away_since: LocalTime | None = None
