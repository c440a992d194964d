"""Errors as pages; the API and the health routes answer problem documents."""

from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from services.gateway.case.live.hub import TooManyStreams
from services.gateway.routes.dependencies import RETRY, PageForbidden, SignInRequired, texts_of
from services.gateway.routes.session.session_start import home_of
from services.gateway.staff.desk.desk_client import DeskUnavailable
from services.gateway.tables.access_audit import AccessAudit
from services.gateway.web.renderer import Renderer
from services.kit.http.problems import Problem

_NOT_PAGES: Final = ("/api/", "/health/", "/metrics", "/openapi.json", "/docs", "/.well-known/")
_KINDS: Final = {
    400: "invalid",
    403: "forbidden",
    404: "not_found",
    413: "invalid",
    422: "invalid",
    429: "busy",
    503: "away",
}
_PICTURES: Final = {"not_found": "lost", "forbidden": "lock", "invalid": "info", "busy": "info"}
_PARAGRAPH: Final = "text"
"""The field of comments, answers and notes."""
_NEXT: Final = {
    "/": "guide",
    "/case": "case",
    "/me": "me",
    "/completed": "completed",
    "/submitted": "submitted",
    "/submit": "case",
    "/desk": "desk",
    "/staff": "staff",
    "/progress": "progress",
    "/roster": "roster",
    "/exceptions": "exceptions",
    "/operator": "operator",
}


def install(app: FastAPI, renderer: Renderer) -> None:
    """The kit's handlers still decide the status and log."""

    def wrap(kind: type[Exception]) -> None:
        inner = app.exception_handlers[kind]

        async def handler(request: Request, error: Exception) -> Response:
            answer = inner(request, error)
            problem = answer if isinstance(answer, Response) else await answer
            return problem_or_page(renderer, request, problem)

        app.add_exception_handler(kind, handler)

    for kind in (Problem, RequestValidationError, HTTPException, Exception):
        wrap(kind)

    async def sign_in_needed(request: Request, error: Exception) -> Response:
        return await _sign_in_required(renderer, request)

    async def not_for_you(request: Request, error: Exception) -> Response:
        assert isinstance(error, PageForbidden)
        audit: AccessAudit = request.app.state.components[AccessAudit]
        await audit.page_refused(error.session, error.owner, getattr(request.scope.get("route"), "path", None))
        return _page_forbidden(renderer, request, error)

    async def too_many_streams(request: Request, error: Exception) -> Response:
        return Problem(
            429,
            "too-many-streams",
            title="Too many live pages are open",
            detail="Close another page of this service; this one is complete without live updates.",
            headers={"Retry-After": "30"},
        ).response()

    async def desk_unavailable(request: Request, error: Exception) -> Response:
        return _desk_unavailable(renderer, request)

    app.add_exception_handler(SignInRequired, sign_in_needed)
    app.add_exception_handler(DeskUnavailable, desk_unavailable)
    app.add_exception_handler(PageForbidden, not_for_you)
    app.add_exception_handler(TooManyStreams, too_many_streams)


def problem_or_page(renderer: Renderer, request: Request, problem: Response) -> Response:
    """`problem` for a program, a page for a browser."""
    if request.url.path.startswith(_NOT_PAGES):
        return problem
    return error_page(renderer, request, problem)


def error_page(renderer: Renderer, request: Request, problem: Response) -> Response:
    texts = texts_of(request)
    kind = _KINDS.get(problem.status_code, "unexpected" if problem.status_code >= 500 else "invalid")
    return renderer.message(
        texts,
        title=texts(f"error.{kind}_title"),
        paragraphs=[texts(f"error.{kind}_text")],
        session=None,
        action=("/", texts("error.back_home")),
        status=problem.status_code,
        headers={name: value for name, value in problem.headers.items() if name in ("retry-after", "allow")},
        contact=renderer.site.university.support,
        picture=_PICTURES.get(kind, "cloud"),
    )


async def _sign_in_required(renderer: Renderer, request: Request) -> Response:
    """A link leads to the sign-in; a form post was not done, as its page tells, with what was written in it."""
    if request.url.path.startswith(_NOT_PAGES):
        return Problem(
            401,
            "sign-in-needed",
            title="Not signed in",
            detail="Sign in at /sign-in with a browser; the session cookie comes with the requests after.",
        ).response()
    if request.method == "GET":
        return RedirectResponse(f"/sign-in?next={_page_name(request.url.path)}", 303)
    texts = texts_of(request)
    return renderer.page(
        "sign_in.html",
        texts,
        session=None,
        back="/",
        status=401,
        title=texts("sign.needed_title"),
        paragraphs=[texts("sign.not_done")],
        leave=None,
        leaving=False,
        destination=_page_name(_sent_from(request)),
        written=await _written(request),
    )


async def _written(request: Request) -> str:
    """The paragraph of a form, which nobody likes to write twice; empty for a form without one."""
    try:
        form = await request.form(max_files=0)
    except (HTTPException, RuntimeError):
        return ""
    text = form.get(_PARAGRAPH, "")
    return text if isinstance(text, str) else ""


def _page_forbidden(renderer: Renderer, request: Request, error: PageForbidden) -> Response:
    if request.url.path.startswith(_NOT_PAGES):
        title, detail = _FORBIDDEN[error.owner]
        return Problem(403, "not-for-you", title=title, detail=detail).response()
    texts = texts_of(request)
    return renderer.message(
        texts,
        title=texts(f"only.{error.owner}_title"),
        paragraphs=[texts(f"only.{error.owner}_text")],
        session=error.session,
        action=(home_of(error.session), texts("only.own_page")),
        status=403,
        contact=renderer.site.university.support,
        picture="lock",
    )


def _desk_unavailable(renderer: Renderer, request: Request) -> Response:
    texts = texts_of(request)
    path = request.url.path
    area, home = next((one for one in _AWAY if path.startswith(one[1])), ("staff", "/staff"))
    return renderer.message(
        texts,
        title=texts(f"{area}.away_title"),
        paragraphs=[texts(f"{area}.away_text")],
        session=None,
        action=(home, texts(f"{area}.title")),
        back=home,
        status=503,
        headers=RETRY,
        picture="cloud",
    )


_AWAY: Final = (("roster_page", "/roster"), ("roster_page", "/exceptions"), ("operator", "/operator"))
"""Texts and address, for what is not at `/staff`."""
_FORBIDDEN: Final = {
    "desk": ("This is the certificate desk's", "The account that is signed in has not the desk's role."),
    "staff": ("This is a department's", "The account that is signed in has not the department's role."),
    "progress": (
        "This is for the graduate school and the colleges",
        "The account that is signed in has not their role.",
    ),
    "exceptions": ("This is for the graduate school", "The account that is signed in has none of its roles."),
    "roster": ("This is for the graduate school", "The account that is signed in has not its role."),
    "operator": ("This is for operators", "The account that is signed in has not their role."),
    "student": ("This is for students", "The account that is signed in has no student id."),
}


def _page_name(path: str) -> str:
    """A name, never an address."""
    area = path.split("/")[1] if path.count("/") > 1 else ""
    return _NEXT.get(
        path, area if area in ("desk", "staff", "progress", "roster", "operator", "exceptions") else "case"
    )


def _sent_from(request: Request) -> str:
    try:
        path = urlsplit(request.headers.get("referer", "")).path
    except ValueError:
        path = ""
    return path or request.url.path
