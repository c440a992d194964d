"""Whether what a student asks for can be asked now, by what their page would show; the page and the API ask the same.

It refuses early and decides nothing: the department or the clearance decides on its own newest records.
"""

from dataclasses import dataclass

from services.gateway.gateway import Gateway
from services.gateway.page import CasePage, Line
from services.gateway.sessions import Session
from services.gateway.texts import Texts
from services.kit.problems import Problem
from services.kit.verdicts import State


@dataclass(frozen=True, slots=True)
class Wish:
    """`already`: it was asked before, which is as good as asked now. Otherwise `paragraphs` say why it cannot be."""

    possible: bool
    already: bool = False
    status: int = 200
    slug: str = ""
    title: str = ""
    paragraphs: tuple[str, ...] = ()
    open_lines: tuple[Line, ...] = ()
    line: Line | None = None


async def submit_wish(parts: Gateway, session: Session, t: Texts) -> Wish:
    """Whether the submission can be asked."""
    _, page = await parts.case_page(session, t)
    state = page.submit.state
    if state == "ready":
        return Wish(True)
    title = t("submit.error_title")
    if state in ("asked", "done"):
        return Wish(False, True, 409, "already-submitted", page.summary.sentence, (page.submit.sentence,))
    if state == "open-items":
        lines = tuple(line for line in _lines(page) if line.state is not State.CLEAR)
        return Wish(False, False, 409, "open-items", title, (t("submit.error_text"),), lines)
    return _no_case(page, title)


async def command_wish(parts: Gateway, session: Session, t: Texts, department: str, command: str) -> Wish:
    """Whether a department's command can be asked. Raises a 404 `Problem` for one no department has."""
    manifest = parts.renderer.house.departments.get(department)
    names = [check.command.name for check in manifest.checks if check.command] if manifest else []
    if manifest is None or command not in names:
        raise Problem(404, "no-such-command", title="No department takes this command")
    _, page = await parts.case_page(session, t)
    title = t("command.not_offered", label=command)
    line = next(
        (one for one in _lines(page) if one.department == department and one.command and one.command.name == command),
        None,
    )
    if line is None or line.command is None:
        return _no_case(page, title)
    title = t("command.not_offered", label=line.command.label)
    if line.command.offered:
        return Wish(True, line=line)
    already = bool(line.command.note) and not line.command.refused
    why = line.command.note or t("command.not_offered_why", department=t.of(manifest.title))
    status, slug = (503, "unreadable") if page.standing == "away" else (409, "not-offered")
    return Wish(False, already, status, slug, title, (why,), line=line)


def _no_case(page: CasePage, title: str) -> Wish:
    if page.standing == "away":
        return Wish(False, False, 503, "unreadable", title, (page.summary.sentence, page.summary.next_step))
    return Wish(False, False, 409, "no-open-case", title, (page.summary.sentence, page.summary.next_step))


def _lines(page: CasePage) -> tuple[Line, ...]:
    return tuple(line for group in page.groups for line in group.lines)
