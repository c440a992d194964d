"""A student says that a check is wrong, on a page of its own; the department's answer shows on the check."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse
from pydantic import Field, TypeAdapter, ValidationError

from services.gateway.case.checks import check_title
from services.gateway.case.comments import may_comment
from services.gateway.case.progress import CaseProgress, CheckProgress, Standing
from services.gateway.routes.dependencies import RETRY, Comments, Context, CurrentCase, Pages, Student
from services.gateway.web.csrf import CsrfFields, check_csrf
from services.kit.http.problems import Problem
from services.kit.rules.fields import Paragraph

router = APIRouter(include_in_schema=False)
_PARAGRAPH: Final[TypeAdapter[str]] = TypeAdapter(Paragraph)
_MAX_CHARACTERS: Final = 500


class _Comment(CsrfFields):
    text: Annotated[str, Field(max_length=4 * _MAX_CHARACTERS)] = ""


@router.get("/case/{department}/{check}/comment")
async def comment_form(
    department: str, check: str, pages: Pages, session: Student, progress: CurrentCase, context: Context
) -> Response:
    line = _line(progress, department, check)
    if not may_comment(line):
        return RedirectResponse(f"/case#{line.anchor}", 303)
    return _page(pages, session, context, line)


@router.post("/case/{department}/{check}/comment")
async def write_comment(
    department: str,
    check: str,
    pages: Pages,
    session: Student,
    progress: CurrentCase,
    context: Context,
    comments: Comments,
    form: Annotated[_Comment, Form()],
) -> Response:
    """A second press finds the first one open."""
    check_csrf(session, form.csrf)
    line = _line(progress, department, check)
    back = RedirectResponse(f"/case#{line.anchor}", 303)
    if not may_comment(line):
        return back
    try:
        text = _PARAGRAPH.validate_python(form.text)
    except ValidationError:
        return _page(pages, session, context, line, text=form.text, error="comment.wrong", status=422)
    written = await comments.write(session.student_id, department, check, text, asked_in=session.handle)
    if written == "too-many":
        return _page(pages, session, context, line, text=form.text, error="comment.too_many", status=429)
    return back


def _line(progress: CaseProgress, department: str, check: str) -> CheckProgress:
    """Raises a 404 or a 503 `Problem`."""
    if progress.standing is Standing.UNAVAILABLE:
        raise Problem(503, "unreadable", title="The checks cannot be read now", headers=RETRY)
    for line in progress.checks:
        if (line.department.name, line.check.name, line.former_number) == (department, check, ""):
            return line
    raise Problem(404, "no-such-check", title="There is no such check")


def _page(
    pages: Pages,
    session: Student,
    context: Context,
    line: CheckProgress,
    *,
    text: str = "",
    error: str = "",
    status: int = 200,
) -> Response:
    return pages.page(
        "comment.html",
        context.texts,
        session=session,
        back="/case",
        status=status,
        title=check_title(context.texts, line),
        department=context.texts.of(line.department.title),
        action=f"/case/{line.department.name}/{line.check.name}/comment",
        anchor=line.anchor,
        text=text,
        error=context.texts(error) if error else "",
        most=_MAX_CHARACTERS,
    )
