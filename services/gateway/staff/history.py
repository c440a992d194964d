"""What was done about a student at a department, in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.flows import source_of
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import Texts
from services.gateway.staff.desk_answers import DeskOperation, HistoryEntry
from services.gateway.staff.operation_form import operation_label
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
        act=_act(texts, department, operations, entry.act),
        outcome=_words(texts, outcome) or entry.outcome,
        who=_who(texts, department, entry.actor),
    )


def _act(texts: Texts, department: DepartmentManifest, operations: Sequence[DeskOperation], act: str) -> str:
    area, _, name = act.partition(".")
    if area == "import":
        return texts("staff.act_import")
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
    # The department knows the pages by the name of their credential: the person is who matters.
    return actor.partition(": ")[2] or actor


def _words(texts: Texts, key: str) -> str:
    return texts(key) if key in texts.entries else ""
