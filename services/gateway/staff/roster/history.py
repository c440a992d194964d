"""What was done about a student's case, in words. Pure."""

from collections.abc import Sequence

from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import Texts
from services.gateway.staff.desk.desk_answers import HistoryEntry
from services.gateway.staff.desk.history import HistoryLine
from services.gateway.staff.roster.form import FIELDS
from services.kit.names import STUDENT


def history_lines(context: ViewContext, entries: Sequence[HistoryEntry]) -> tuple[HistoryLine, ...]:
    return tuple(_line(context, one) for one in entries)


def _line(context: ViewContext, entry: HistoryEntry) -> HistoryLine:
    """What has no words is shown by its code: the clearance may be newer than these pages."""
    texts, when = context.texts, context.local_time(entry.at)
    act = _words(texts, f"roster_page.act_{entry.act.replace('.', '_').replace('-', '_')}") or entry.act
    changed = [texts(f"roster_page.field_{name}") for name in entry.details.get("changed", ()) if name in FIELDS]
    return HistoryLine(
        at=when.words,
        exact=when.exact,
        iso=when.iso,
        act=f"{act} ({texts.joined(changed)})" if changed else act,
        outcome=_words(texts, f"roster_page.outcome_{entry.outcome}") or entry.outcome,
        who=_who(texts, entry.actor),
    )


def _who(texts: Texts, actor: str) -> str:
    if actor == STUDENT:
        return texts("staff.by_student")
    if actor.startswith("/"):
        return texts("staff.by_system")
    return actor.partition(": ")[2] or actor


def _words(texts: Texts, key: str) -> str:
    return texts(key) if key in texts.entries else ""
