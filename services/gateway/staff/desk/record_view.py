"""A student at a department's desk as a page: checks, what is on record with its operations, history. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from schemas.events import NO_DATA, CheckStatus, Verdict
from services.gateway.case.checks import NONE, fact_views, format_value, table_view
from services.gateway.case.decision import CheckState, unknown_codes
from services.gateway.case.view_model import Fact, Table
from services.gateway.case.wording import ViewContext, reason_sentence, waiver_word
from services.gateway.i18n.formats import LocalTime, format_money, long_date_or_text
from services.gateway.read_model.line_comment import LineComment
from services.gateway.read_model.types import Case
from services.gateway.staff.desk.desk_answers import DeskOperation, DeskRecord, HistoryEntry, Note
from services.gateway.staff.desk.history import HistoryLine, history_line, person_of
from services.gateway.staff.desk.operation_form import OperationView, Typed, label_of, operation_view
from services.gateway.staff.waiting import waiting_since
from services.kit.manifests import CheckManifest, DepartmentManifest
from services.kit.rules.waivers import Waiver
from services.kit.student_numbers import Standing


@dataclass(frozen=True, slots=True)
class CheckLine:
    """Also what `facts` and `table` of the parts read."""

    title: str
    state: CheckState
    verdict: str
    known: bool
    facts: tuple[Fact, ...]
    table: Table | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    cells: tuple[str, ...]
    operations: tuple[OperationView, ...]


@dataclass(frozen=True, slots=True)
class RecordList:
    label: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class NoteLine:
    at: LocalTime
    text: str
    who: str


@dataclass(frozen=True, slots=True)
class CommentLine:
    """`heading`: of which check, when and how long it waits; `answered`: by whom and when, empty while it is open."""

    comment_id: UUID
    heading: str
    text: str
    answered: str
    answer: str


@dataclass(frozen=True, slots=True)
class RecordPage:
    """`buttons`: operations with nothing to type. `warning`: of the number on the roster."""

    student_id: str
    name: str
    about: str
    warning: str
    clear: bool
    checks: tuple[CheckLine, ...]
    values: tuple[tuple[str, str], ...]
    lists: tuple[RecordList, ...]
    buttons: tuple[OperationView, ...]
    forms: tuple[OperationView, ...]
    history: tuple[HistoryLine, ...]
    notes: tuple[NoteLine, ...]
    comments: tuple[CommentLine, ...]


@dataclass(frozen=True, slots=True)
class AtDesk:
    """What a page is made of. `person`: who is signed in."""

    department: DepartmentManifest
    person: str
    operations: Sequence[DeskOperation]
    answer: DeskRecord
    history: Sequence[HistoryEntry] = ()
    notes: Sequence[Note] = ()
    comments: Sequence[LineComment] = ()
    case: Case | None = None
    waivers: Mapping[str, Waiver] = field(default_factory=dict)
    typed: Typed | None = None


def record_page(context: ViewContext, at: AtDesk) -> RecordPage:
    texts, case = context.texts, at.case
    beside = {one.rows for one in at.department.operations.values() if one.rows}
    loose = [
        _operation(context, at, one, one.name)
        for one in at.operations
        if not one.of_item and _rows(at.department, one) is None
    ]
    record = at.answer.record
    plain = {name: value for name, value in record.items() if not isinstance(value, list)}
    checks = tuple(_check(context, at, one) for one in at.answer.checks)
    standing = at.answer.standing
    return RecordPage(
        student_id=at.answer.student_id,
        name=case.name if case else "",
        about=" · ".join(filter(None, (case.college, case.major, case.grade))) if case else "",
        warning=_warning(context, standing, on_roster=case is not None),
        clear=all(one.state.passes for one in checks),
        checks=checks,
        values=tuple(
            (label_of(texts, at.department, name), _value(context, at, name, one)) for name, one in plain.items()
        ),
        lists=tuple(
            _list(context, at, name, value)
            for name, value in record.items()
            if isinstance(value, list) and (value or name in beside)
        ),
        buttons=tuple(one for one in loose if one.at_once),
        forms=tuple(one for one in loose if not one.at_once),
        history=tuple(history_line(context, at.department, at.operations, one) for one in at.history),
        notes=tuple(
            NoteLine(context.local_time(one.written_at), one.text, person_of(one.written_by)) for one in at.notes
        ),
        comments=tuple(_comment(context, at.department, one) for one in at.comments),
    )


def item_forms(
    context: ViewContext,
    department: DepartmentManifest,
    operations: Sequence[DeskOperation],
    typed: Typed | None = None,
) -> tuple[OperationView, ...]:
    """Of operations that name an item and no student."""
    return tuple(
        operation_view(context.texts, department, one, one.name, typed=typed) for one in operations if one.of_item
    )


def _comment(context: ViewContext, department: DepartmentManifest, comment: LineComment) -> CommentLine:
    texts, answered = context.texts, ""
    check = next((texts.of(one.title) for one in department.checks if one.name == comment.check), comment.check)
    asked = context.local_time(comment.asked_at).words
    if comment.answered_at is None:
        heading = texts("staff.comment_said", check=check, since=waiting_since(context, comment.asked_at))
    else:
        heading = texts("staff.comment_was_said", check=check, at=asked)
        at = context.local_time(comment.answered_at).words
        answered = texts("staff.comment_answered", who=comment.answered_by, at=at)
    return CommentLine(comment.comment_id, heading, comment.text, answered, comment.answer)


def _warning(context: ViewContext, standing: Standing, *, on_roster: bool) -> str:
    """The department may not have received yet what the roster has."""
    if standing is Standing.OPEN or (standing is Standing.UNKNOWN and on_roster):
        return ""
    return context.texts(f"staff.standing_{standing.value.replace('-', '_')}")


def _rows(department: DepartmentManifest, operation: DeskOperation) -> str | None:
    manifest = department.operations.get(operation.name)
    return manifest.rows if manifest else None


def _operation(
    context: ViewContext, at: AtDesk, operation: DeskOperation, anchor: str, line: Mapping[str, Any] | None = None
) -> OperationView:
    manifest = at.department.operations.get(operation.name)
    day = context.local_day.isoformat()
    begin = {name: day if what == "today" else at.person for name, what in (manifest.fill if manifest else {}).items()}
    return operation_view(context.texts, at.department, operation, anchor, line=line, begin=begin, typed=at.typed)


def _list(context: ViewContext, at: AtDesk, name: str, items: Sequence[Any]) -> RecordList:
    texts = context.texts
    rows = [item for item in items if isinstance(item, dict)]
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    offered = [one for one in at.operations if _rows(at.department, one) == name]
    return RecordList(
        label_of(texts, at.department, name),
        tuple(label_of(texts, at.department, column) for column in columns),
        tuple(
            Line(
                tuple(_value(context, at, column, row.get(column)) for column in columns),
                tuple(_operation(context, at, one, f"{one.name}-{index}", row) for one in offered),
            )
            for index, row in enumerate(rows)
        ),
    )


def _check(context: ViewContext, at: AtDesk, status: CheckStatus) -> CheckLine:
    texts, department = context.texts, at.department
    check = next((one for one in department.checks if one.name == status.check), None)
    unknown, waiver = unknown_codes(status), at.waivers.get(status.check)
    state = CheckState.CLEAR if status.verdict is Verdict.CLEAR else CheckState.BLOCKED
    if waiver is not None:
        state = CheckState.WAIVED
    elif unknown:
        state = CheckState.WAITING
    known = NO_DATA not in unknown
    reasons = tuple(reason_sentence(texts, department, one, check) for one in status.reasons)
    return CheckLine(
        title=texts.of(check.title) if check else status.check,
        state=state,
        verdict=waiver_word(texts, waiver) if waiver else texts(f"verdict.{state}"),
        known=known,
        facts=fact_views(check, status.facts, texts) if check and not check.rows else (),
        table=_table(context, check, status, certain=not unknown) if known else None,
        reasons=() if state is CheckState.CLEAR else reasons,
    )


def _table(context: ViewContext, check: CheckManifest | None, status: CheckStatus, *, certain: bool) -> Table | None:
    return table_view(check, status.facts, context.texts, certain=certain) if check and check.rows else None


def _value(context: ViewContext, at: AtDesk, name: str, value: Any) -> str:
    """With the words that a check has for it."""
    for check in at.department.checks:
        for fact in check.fields:
            if fact.name == name and isinstance(value, str | int | None):
                return format_value(fact, value, context.texts)
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return context.texts("staff.yes" if value else "staff.no")
    text = str(value)
    if len(text) == 10 and text[4:5] == "-":
        return long_date_or_text(text, context.language)
    return format_money(text) if isinstance(value, float) else text
