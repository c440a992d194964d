"""What was done about a student at a department, in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.flows import source_of
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import Texts
from services.gateway.staff.desk.desk_answers import DeskOperation, HistoryEntry
from services.gateway.staff.desk.operation_form import operation_label
from services.kit.manifests import DepartmentManifest
from services.kit.names import STUDENT


@dataclass(frozen=True, slots=True)
class HistoryLine:
    at: str
    exact: str
    iso: str
    act: str
    outcome: str
    who: str
    entry_id: int = 0
    undo: bool = False
    """Whether it can be taken back now."""
    note: str = ""
    """Why it was taken back, or why it cannot be."""


def history_line(
    context: ViewContext, department: DepartmentManifest, operations: Sequence[DeskOperation], entry: HistoryEntry
) -> HistoryLine:
    """What has no words is shown by its code: a department may be newer than these pages."""
    texts, when = context.texts, context.local_time(entry.at)
    # A department holds for an attempt what it has passed; an operation that meets a hold is not done.
    of_attempt = entry.act.startswith("attempt.")
    outcome = f"staff.attempt_{entry.outcome}" if of_attempt else f"staff.outcome_{entry.outcome}"
    return HistoryLine(
        at=when.words,
        exact=when.exact,
        iso=when.iso,
        act=_act(texts, department, operations, entry.act, str(entry.details.get("operation", ""))),
        outcome=_words(texts, outcome) or entry.outcome,
        who=_who(texts, department, entry.actor),
        entry_id=entry.entry_id,
        undo=entry.undo == "offered",
        note=_note(texts, department, entry),
    )


def _note(texts: Texts, department: DepartmentManifest, entry: HistoryEntry) -> str:
    if entry.reason:
        return texts("staff.undo_because", reason=entry.reason)
    if entry.undo in ("undone", "moved-on"):
        return texts(f"staff.undo_{entry.undo.replace('-', '_')}")
    area, _, name = entry.act.partition(".")
    manifest = department.operations.get(name) if area == "desk" and entry.outcome == "changed" else None
    return texts("staff.undo_no", why=texts.of(manifest.no_undo)) if manifest and manifest.no_undo else ""


def _act(
    texts: Texts, department: DepartmentManifest, operations: Sequence[DeskOperation], act: str, of: str = ""
) -> str:
    """`of`: the operation that was taken back."""
    area, _, name = act.partition(".")
    if area == "import":
        return texts("staff.act_import")
    if act == "desk.undo":
        undone = _act(texts, department, operations, f"desk.{of}") if of else ""
        return texts("staff.act_undo", act=undone) if undone else texts("staff.undo")
    named: dict[str, str] = {}
    if area in ("desk", "command"):
        named = {check.command.name: texts.of(check.command.label) for check in department.checks if check.command}
        named |= {one.name: operation_label(texts, department, one) for one in operations}
    return named.get(name) or _words(texts, f"staff.act_{name.replace('-', '_')}") or act


def _who(texts: Texts, department: DepartmentManifest, actor: str) -> str:
    if actor == STUDENT:
        return texts("staff.by_student")
    if actor == source_of(department.name):
        return texts("staff.by_system")
    return person_of(actor)


def person_of(actor: str) -> str:
    # The department knows the pages by the name of their credential: the person is who matters.
    return actor.partition(": ")[2] or actor


def _words(texts: Texts, key: str) -> str:
    return texts(key) if key in texts.entries else ""
