"""One check as a view. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from schemas.events import NO_DATA, CheckStatus, Reason
from services.gateway.case.command_offer import CommandOffer
from services.gateway.case.comments import comment_view
from services.gateway.case.decision import CheckState, WaitingReason, unknown_codes
from services.gateway.case.progress import CheckProgress
from services.gateway.case.view_model import CheckView, Column, CommandView, Fact, Freshness, Group, LinkView, Table
from services.gateway.case.wording import (
    ViewContext,
    command_note,
    next_steps,
    notes,
    turn_of,
    waiver_sentence,
    waiver_word,
)
from services.gateway.i18n.catalogue import Texts
from services.gateway.i18n.formats import PhonePart, format_money, long_date_or_text, phone_parts
from services.kit.manifests import CheckManifest, DepartmentManifest, FieldManifest
from services.kit.rules.reasons import CASE_OPENED

NONE: Final = "—"
_WORTH_TWO_TIMES: Final = timedelta(minutes=1)
NO_TERMS: Final[Mapping[str, str]] = {}
NUMERIC: Final = frozenset({"count", "money"})


def check_view(context: ViewContext, progress: CheckProgress) -> CheckView:
    texts, check, department = context.texts, progress.check, progress.department
    reported, state = progress.reported, progress.result.state
    turn = turn_of(progress)
    title, cause = check_title(texts, progress), _cause(texts, progress)
    verdict = waiver_word(texts, progress.waiver) if progress.waiver else texts(f"verdict.{state}")
    waiver = waiver_sentence(context, progress)
    facts = reported.facts if reported else {}
    unknown = unknown_codes(reported) if reported else frozenset()
    table = table_view(check, facts, texts, certain=not unknown, terms=context.terms)
    known = reported is not None and NO_DATA not in unknown
    return CheckView(
        anchor=progress.anchor,
        department=department.name,
        department_title=texts.of(department.title),
        icon=department.icon,
        title=title,
        state=state,
        verdict=verdict,
        known=known,
        facts=() if check.rows else fact_views(check, facts, texts),
        table=table if check.rows and known else None,
        details=details_view(check, facts, texts) if known else None,
        link=LinkView(texts.of(check.link.label), check.link.address) if check.link else None,
        links=_links(texts, check) if not state.passes else (),
        todo=next_steps(context, progress),
        notes=notes(texts, check, facts),
        waiver=waiver,
        phones=_phones(context, check),
        place=texts.of(check.place) if check.place and not state.passes else "",
        hours=texts.of(check.hours) if check.hours and not state.passes else "",
        turn=turn,
        turn_word=texts(f"turn.{turn}") if turn else "",
        command=_command(context, progress),
        freshness=_freshness(context, progress, cause),
        turned=texts("live.turned", title=title, verdict=verdict, cause=waiver or cause or verdict),
        updated=texts("live.updated", title=title, cause=cause or verdict),
        comment=comment_view(context, progress),
    )


def check_title(texts: Texts, progress: CheckProgress) -> str:
    title = texts.of(progress.check.title)
    if not progress.former_number:
        return title
    return texts("case.under_former", title=title, number=progress.former_number)


def group_view(texts: Texts, department: DepartmentManifest, checks: tuple[CheckView, ...]) -> Group:
    states = {one.state for one in checks}
    order = (CheckState.BLOCKED, CheckState.WAITING, CheckState.CLEAR)
    state = next((each for each in order if each in states), CheckState.WAIVED)
    return Group(department.name, department.icon, texts.of(department.title), state, texts(f"verdict.{state}"), checks)


def fact_views(check: CheckManifest, facts: Mapping[str, JsonValue], texts: Texts) -> tuple[Fact, ...]:
    return tuple(
        Fact(
            label=texts.of(field.label),
            label_phone=texts.of(field.label_phone or field.label),
            group=texts.of(field.group) if field.group else "",
            value=format_value(field, facts.get(field.name), texts),
            numeric=field.kind in NUMERIC,
        )
        for field in check.fields
    )


def table_view(
    check: CheckManifest,
    facts: Mapping[str, JsonValue],
    texts: Texts,
    *,
    certain: bool = True,
    terms: Mapping[str, str] = NO_TERMS,
) -> Table | None:
    """None for no rows while the department is not certain: "nothing is due" would be a promise."""
    listed = facts.get(check.rows or "")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    if not rows and not certain:
        return None
    total = check.total
    return Table(
        columns=tuple(Column(texts.of(field.label), field.kind in NUMERIC) for field in check.fields),
        rows=tuple(
            tuple(format_value(field, row.get(field.name), texts, terms) for field in check.fields) for row in rows
        ),
        total=(texts.of(total.label), format_value(total, facts.get(total.name), texts)) if total else None,
        empty=texts.of(check.empty) if check.empty and not rows else "",
    )


def _cells(
    rows: Sequence[Mapping[str, JsonValue]], fields: Sequence[FieldManifest], texts: Texts, terms: Mapping[str, str]
) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(format_value(field, row.get(field.name), texts, terms) for field in fields) for row in rows)


def details_view(check: CheckManifest, facts: Mapping[str, JsonValue], texts: Texts) -> Table | None:
    """None without rows."""
    if check.details is None:
        return None
    fields, listed = check.details.fields, facts.get(check.details.rows)
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    if not rows:
        return None
    return Table(
        columns=tuple(Column(texts.of(field.label), field.kind in NUMERIC) for field in fields),
        rows=_cells(rows, fields, texts, NO_TERMS),
    )


def format_value(field: FieldManifest, value: JsonValue, texts: Texts, terms: Mapping[str, str] = NO_TERMS) -> str:
    """A dash when empty; an unknown code as it is."""
    if value is None or value == "":
        return texts.of(field.codes[""]) if "" in field.codes else NONE
    if field.kind == "money":
        return format_money(value)
    if field.kind == "code" and str(value) in field.codes:
        return texts.of(field.codes[str(value)])
    if field.kind == "date":
        return long_date_or_text(str(value), texts.language)
    return terms.get(str(value), str(value))


def _cause(texts: Texts, progress: CheckProgress) -> str:
    cause = progress.received.status.cause if progress.received else None
    if cause is None:
        return ""
    if cause.code in progress.department.causes:
        return texts.of(progress.department.causes[cause.code], cause.parameters)
    # The kit's causes are the same at every department.
    key = f"cause.{cause.code}"
    return texts(key) if key in texts.entries else ""


def _links(texts: Texts, check: CheckManifest) -> tuple[LinkView, ...]:
    return tuple(LinkView(texts.of(link.label), link.address) for link in check.links if link.address)


def _phones(context: ViewContext, check: CheckManifest) -> tuple[PhonePart, ...]:
    area = context.site.university.area_code
    return tuple(part for phone in check.phones for part in phone_parts(phone, area))


def _freshness(context: ViewContext, progress: CheckProgress, cause: str) -> Freshness | None:
    received, reported = progress.received, progress.reported
    if received is None or (reported and _without_news(received.status.cause, reported)):
        return None
    note = ""
    # A stale check's next step tells it already.
    if progress.aged and progress.result.waiting_reason is not WaitingReason.STALE:
        since = context.local_time(received.alive_as_of or received.received_at).words
        note = context.texts("fresh.aged", department=context.texts.of(progress.department.title), since=since)
    true_at, received_at = context.local_time(received.status.occurred_at), context.local_time(received.received_at)
    late = worth_two_times(received.status.occurred_at, received.received_at)
    words = fresh_words(context.texts, true_at.words, received_at.words, late=late)
    return Freshness(words, true_at, received_at, cause, note)


def worth_two_times(true_at: datetime, received_at: datetime) -> bool:
    return abs(received_at - true_at) >= _WORTH_TWO_TIMES


def fresh_words(texts: Texts, true_at: str, received_at: str, *, late: bool) -> str:
    return texts("fresh.line_received" if late else "fresh.line", true_at=true_at, received_at=received_at)


def _without_news(cause: Reason, reported: CheckStatus) -> bool:
    """The department had no data when the case was opened: nothing of its own was updated."""
    return cause.code == CASE_OPENED.code and NO_DATA in unknown_codes(reported)


def _command(context: ViewContext, progress: CheckProgress) -> CommandView | None:
    command, offer = progress.command, progress.check.command
    if command is None or offer is None:
        return None
    return CommandView(
        name=offer.name,
        label=context.texts.of(offer.label),
        confirm=context.texts.of(offer.confirm),
        offered=command.offered,
        note=command_note(context, progress),
        refused=command.offer is CommandOffer.REFUSED,
        waiting=command.under_way,
    )
