"""Whether what a student asks for can be asked now, by what their page would show; the page and the API ask the same.

It refuses early and decides nothing: the department or the clearance decides on its own newest records.
"""

from dataclasses import dataclass

from services.gateway.case.decision import CheckState
from services.gateway.case.view_model import CasePage, CheckView
from services.gateway.i18n.catalogue import Texts
from services.gateway.routes.dependencies import Gateway
from services.gateway.tables.sessions import Session
from services.kit.http.problems import Problem


@dataclass(frozen=True, slots=True)
class Eligibility:
    """`already`: it was asked before, which is as good as asked now. Otherwise `paragraphs` say why it cannot be."""

    possible: bool
    already: bool = False
    status: int = 200
    slug: str = ""
    title: str = ""
    paragraphs: tuple[str, ...] = ()
    open_lines: tuple[CheckView, ...] = ()
    line: CheckView | None = None


async def submission_eligibility(parts: Gateway, session: Session, t: Texts) -> Eligibility:
    """Whether the submission can be asked."""
    _, page = await parts.case_page(session, t)
    state = page.submit.state
    if state == "ready":
        return Eligibility(True)
    title = t("submit.error_title")
    if state in ("asked", "done"):
        return Eligibility(False, True, 409, "already-submitted", page.summary.sentence, (page.submit.sentence,))
    if state == "open-items":
        lines = tuple(line for line in _lines(page) if line.state is not CheckState.CLEAR)
        return Eligibility(False, False, 409, "open-items", title, (t("submit.error_text"),), lines)
    return _no_case(page, title)


async def command_eligibility(parts: Gateway, session: Session, t: Texts, department: str, command: str) -> Eligibility:
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
        return Eligibility(True, line=line)
    already = bool(line.command.note) and not line.command.refused
    why = line.command.note or t("command.not_offered_why", department=t.of(manifest.title))
    status, slug = (503, "unreadable") if page.standing == "away" else (409, "not-offered")
    return Eligibility(False, already, status, slug, title, (why,), line=line)


def _no_case(page: CasePage, title: str) -> Eligibility:
    if page.standing == "away":
        return Eligibility(False, False, 503, "unreadable", title, (page.summary.sentence, page.summary.next_step))
    return Eligibility(False, False, 409, "no-open-case", title, (page.summary.sentence, page.summary.next_step))


def _lines(page: CasePage) -> tuple[CheckView, ...]:
    return tuple(line for group in page.groups for line in group.lines)
