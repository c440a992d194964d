"""One check of one student as a line of the page: its facts, what to do, how fresh it is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from schemas.events import CheckStatus, Reason
from services.gateway.case.decision import CheckResult, CheckState, WaitingReason
from services.gateway.case.view_model import CheckView, Column, CommandView, Fact, Freshness, Group, LinkView, Table
from services.gateway.i18n.catalogue import Texts
from services.gateway.i18n.formats import (
    Language,
    LocalTime,
    PhonePart,
    date_text_words,
    fill,
    local_time,
    money_words,
    phone_parts,
)
from services.gateway.read_model.types import Command, CommandState, ReceivedStatus
from services.gateway.university import Site
from services.kit.manifests import CheckManifest, DepartmentManifest, FieldOnPage

NONE = "—"
NUMERIC = frozenset({"count", "money"})


@dataclass(frozen=True, slots=True)
class ViewContext:
    """What every line is shown with: the house, the language and the instant of the page."""

    house: Site
    texts: Texts
    now: datetime
    away: bool = False
    """Nothing can be read: what a department said is not missing, it is out of reach."""

    @property
    def language(self) -> Language:
        return self.texts.language

    def moment(self, at: datetime) -> LocalTime:
        offset = self.house.university.utc_offset_minutes
        return local_time(at, now=self.now, offset_minutes=offset, language=self.language)


def check_view(
    showing: ViewContext,
    department: DepartmentManifest,
    check: CheckManifest,
    state: CheckResult,
    heard: ReceivedStatus | None,
    command: Command | None,
    *,
    commands_open: bool,
) -> CheckView:
    """The line of `check`. `commands_open` is false where the student may ask nothing any more."""
    texts = showing.texts
    said = _said(check, heard)
    title, verdict = texts.of(check.title), texts(f"verdict.{state.state}")
    cause = _cause(texts, department, heard)
    facts = said.facts if said else {}
    asked = _command(showing, department, check, heard, command, commands_open=commands_open)
    # While an asked command is under way, the next step is to wait, not to press what is no longer there.
    steps = (asked.note,) if asked and asked.waiting else todo(showing, department, check, state, heard)
    return CheckView(
        anchor=f"{department.name}-{check.name}",
        department=department.name,
        department_title=texts.of(department.title),
        check=check.name,
        title=title,
        state=state.state,
        verdict=verdict,
        known=said is not None,
        facts=() if check.rows else facts_shown(check, facts, texts),
        table=table(check, facts, texts) if check.rows and said else None,
        link=LinkView(texts.of(check.link.label), check.link.address) if check.link else None,
        todo=steps,
        phones=_phones(showing, check),
        command=asked,
        freshness=_freshness(showing, department, state, heard, cause),
        turned=texts("live.turned", title=title, verdict=verdict, cause=cause or verdict),
        updated=texts("live.updated", title=title, cause=cause or verdict),
    )


def facts_shown(check: CheckManifest, facts: Mapping[str, JsonValue], texts: Texts) -> tuple[Fact, ...]:
    """The labelled values of a check, in the manifest's order."""
    return tuple(
        Fact(
            label=texts.of(field.label),
            label_phone=texts.of(field.label_phone or field.label),
            group=texts.of(field.group) if field.group else "",
            value=value_words(field, facts.get(field.name), texts),
            numeric=field.kind in NUMERIC,
        )
        for field in check.fields
    )


def table(check: CheckManifest, facts: Mapping[str, JsonValue], texts: Texts) -> Table:
    """The rows of a check whose facts are a list, with the total the department gave."""
    listed = facts.get(check.rows or "")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    total = check.total
    return Table(
        columns=tuple(Column(texts.of(field.label), field.kind in NUMERIC) for field in check.fields),
        rows=tuple(tuple(value_words(field, row.get(field.name), texts) for field in check.fields) for row in rows),
        total=(texts.of(total.label), value_words(total, facts.get(total.name), texts)) if total else None,
        empty=texts.of(check.empty) if check.empty and not rows else "",
    )


def value_words(field: FieldOnPage, value: JsonValue, texts: Texts) -> str:
    """One fact in words. An empty fact is a dash; an unknown code is shown as it came."""
    if value is None or value == "":
        return texts.of(field.codes[""]) if "" in field.codes else NONE
    if field.kind == "money":
        return money_words(value)
    if field.kind == "code" and str(value) in field.codes:
        return texts.of(field.codes[str(value)])
    if field.kind == "date":
        return date_text_words(str(value), texts.language)
    return str(value)


def reason_words(
    texts: Texts, department: DepartmentManifest, reason: Reason, check: CheckManifest | None = None
) -> str:
    """The manifest's sentence for a reason; a code without one still says whom to ask."""
    checks = (check,) if check else department.checks
    sentences = [one.reasons[reason.code] for one in checks if reason.code in one.reasons]
    if not sentences and reason.code in department.refusals:
        sentences = [department.refusals[reason.code]]
    if not sentences:
        return texts("todo.unknown", department=texts.of(department.title))
    return fill(texts.of(sentences[0]), reason.parameters)


def todo(
    showing: ViewContext,
    department: DepartmentManifest,
    check: CheckManifest,
    state: CheckResult,
    heard: ReceivedStatus | None,
) -> tuple[str, ...]:
    """What the student is told while the check is open: a sentence for each reason, or why nothing is known."""
    texts = showing.texts
    if state.state is CheckState.CLEAR:
        return ()
    title = texts.of(department.title)
    if showing.away:
        return (texts("doubt.away", department=title),)
    if state.doubt is WaitingReason.STALE:
        since = heard.alive_as_of or heard.heard_at if heard else showing.now
        return (texts("doubt.stale", department=title, since=showing.moment(since).words),)
    if state.doubt is WaitingReason.UNREADABLE:
        return (texts("doubt.unreadable", department=title),)
    if state.doubt is WaitingReason.UNREPORTED:
        return (texts("doubt.unreported", department=title),)
    sentences = tuple(reason_words(texts, department, reason, check) for reason in state.reasons)
    return sentences or (texts("todo.unknown", department=title),)


def group_view(texts: Texts, department: DepartmentManifest, lines: tuple[CheckView, ...]) -> Group:
    """A department with its lines: it passes when every line does, and waits when none is blocked and one waits."""
    states = {one.state for one in lines}
    state = next((each for each in (CheckState.BLOCKED, CheckState.WAITING) if each in states), CheckState.CLEAR)
    return Group(department.name, texts.of(department.title), state, texts(f"verdict.{state}"), lines)


def _said(check: CheckManifest, heard: ReceivedStatus | None) -> CheckStatus | None:
    return next((said for said in heard.status.checks if said.check == check.name), None) if heard else None


def _cause(texts: Texts, department: DepartmentManifest, heard: ReceivedStatus | None) -> str:
    if heard is None or heard.status.cause.code not in department.causes:
        return ""
    cause = heard.status.cause
    return fill(texts.of(department.causes[cause.code]), cause.parameters)


def _phones(showing: ViewContext, check: CheckManifest) -> tuple[PhonePart, ...]:
    area = showing.house.university.area_code
    return tuple(part for phone in check.phones for part in phone_parts(phone, area))


def _freshness(
    showing: ViewContext, department: DepartmentManifest, state: CheckResult, heard: ReceivedStatus | None, cause: str
) -> Freshness | None:
    if heard is None:
        return None
    note = ""
    alive = heard.alive_as_of
    age_s = None if alive is None else (showing.now - alive).total_seconds()
    aged = age_s is None or age_s > showing.house.freshness_bound_s
    if aged and state.doubt is not WaitingReason.STALE:
        since = showing.moment(alive or heard.heard_at)
        note = showing.texts("fresh.aged", department=showing.texts.of(department.title), since=since.words)
    return Freshness(showing.moment(heard.status.occurred_at), showing.moment(heard.heard_at), cause, note)


def _command(
    showing: ViewContext,
    department: DepartmentManifest,
    check: CheckManifest,
    heard: ReceivedStatus | None,
    last: Command | None,
    *,
    commands_open: bool,
) -> CommandView | None:
    offer = check.command
    if offer is None:
        return None
    texts = showing.texts
    fits = commands_open and offered(check, heard)
    title, label = texts.of(department.title), texts.of(offer.label)
    note, refused, waiting = "", False, False
    if last is not None and fits and heard is not None:
        ended = last.ended_at
        if last.state is CommandState.ASKED:
            at = showing.moment(last.asked_at).words
            note, waiting = texts("command.asked", label=label, department=title, at=at), True
        elif last.state is CommandState.DONE and ended is not None and heard.status.occurred_at < ended:
            note, waiting = texts("command.done", label=label, department=title), True
        elif last.state is CommandState.REFUSED:
            why = " ".join(reason_words(texts, department, reason) for reason in last.reasons)
            note = texts("command.refused", label=label, department=title, why=why)
            refused = True
    return CommandView(offer.name, label, texts.of(offer.confirm), fits and not waiting, note, refused, waiting)


def offered(check: CheckManifest, heard: ReceivedStatus | None) -> bool:
    """Whether the department's newest word lets the student ask for the check's command."""
    said = _said(check, heard)
    if check.command is None or said is None or heard is None or not heard.readable:
        return False
    return all(said.facts.get(name) == value for name, value in check.command.offered_when.items())
