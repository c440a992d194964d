"""Errors as a student meets them: a calm page in their language. The API and the health routes answer problems."""

from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from services.gateway.case.live import TooManyStreams
from services.gateway.routes.dependencies import NotForYou, SignInNeeded, texts_of
from services.gateway.web.renderer import Renderer
from services.kit.http.problems import Problem

_MACHINES: Final = ("/api/", "/health/", "/metrics", "/openapi.json", "/docs", "/.well-known/")
_KINDS: Final = {
    400: "invalid",
    403: "forbidden",
    404: "not_found",
    413: "invalid",
    422: "invalid",
    429: "busy",
    503: "away",
}
_NEXT: Final = {
    "/": "guide",
    "/case": "case",
    "/me": "me",
    "/completed": "completed",
    "/submit": "case",
    "/desk": "desk",
}


def install(app: FastAPI, renderer: Renderer) -> None:
    """Put pages in front of the kit's handlers, which still decide the status and log."""

    def wrap(kind: type[Exception]) -> None:
        inner = app.exception_handlers[kind]

        async def handler(request: Request, error: Exception) -> Response:
            answer = inner(request, error)
            problem = answer if isinstance(answer, Response) else await answer
            return shown(renderer, request, problem)

        app.add_exception_handler(kind, handler)

    for kind in (Problem, RequestValidationError, HTTPException, Exception):
        wrap(kind)

    async def needs_sign_in(request: Request, error: Exception) -> Response:
        if request.url.path.startswith(_MACHINES):
            return Problem(
                401,
                "sign-in-needed",
                title="Nobody is signed in",
                detail="Sign in at /sign-in with a browser; the session cookie comes with the requests after.",
            ).response()
        if request.method == "GET":
            return RedirectResponse(f"/sign-in?next={_place(request.url.path)}", 303)
        t = texts_of(request)
        body = renderer.page(
            "sign_in.html",
            t,
            session=None,
            back="/",
            title=t("sign.needed_title"),
            paragraphs=[t("sign.not_done")],
            provider_out="",
            place=_place(_sent_from(request)),
        )
        return HTMLResponse(body, 401)

    async def not_for_you(request: Request, error: Exception) -> Response:
        assert isinstance(error, NotForYou)
        return _not_for_you(renderer, request, error)

    async def too_many(request: Request, error: Exception) -> Response:
        return Problem(
            429,
            "too-many-streams",
            title="Too many live pages are open",
            detail="Close another page of this service; this one is complete without live updates.",
            headers={"Retry-After": "30"},
        ).response()

    app.add_exception_handler(SignInNeeded, needs_sign_in)
    app.add_exception_handler(NotForYou, not_for_you)
    app.add_exception_handler(TooManyStreams, too_many)


def _place(path: str) -> str:
    """Where one goes after signing in: the name of a page, never an address."""
    return _NEXT.get(path, "desk" if path.startswith("/desk/") else "case")


def _sent_from(request: Request) -> str:
    """The path of the page whose form was sent."""
    try:
        path = urlsplit(request.headers.get("referer", "")).path
    except ValueError:
        path = ""
    return path or request.url.path


def shown(renderer: Renderer, request: Request, problem: Response) -> Response:
    """`problem` as whoever asked can read it."""
    if request.url.path.startswith(_MACHINES):
        return problem
    return error_page(renderer, request, problem)


def error_page(renderer: Renderer, request: Request, problem: Response) -> Response:
    """The page for the status of `problem`."""
    t = texts_of(request)
    kind = _KINDS.get(problem.status_code, "unexpected" if problem.status_code >= 500 else "invalid")
    body = renderer.page(
        "message.html",
        t,
        session=None,
        back="/",
        title=t(f"error.{kind}_title"),
        paragraphs=[t(f"error.{kind}_text")],
        open_lines=(),
        contacts=(renderer.house.university.support,),
        actions=[("/", t("error.back_home"), "second")],
    )
    kept = {name: value for name, value in problem.headers.items() if name in ("retry-after", "allow")}
    return HTMLResponse(body, problem.status_code, headers=kept)


def _not_for_you(renderer: Renderer, request: Request, error: NotForYou) -> Response:
    """Says in words whom the page is for, and where this person's own page is."""
    if request.url.path.startswith(_MACHINES):
        return Problem(
            403, "not-for-you", title="This is for students", detail="The account that is signed in has no student id."
        ).response()
    t = texts_of(request)
    kind, own = ("desk", "/case") if error.desk else ("student", "/desk")
    body = renderer.page(
        "message.html",
        t,
        session=error.session,
        back="/",
        title=t(f"only.{kind}_title"),
        paragraphs=[t(f"only.{kind}_text")],
        open_lines=(),
        contacts=(renderer.house.university.support,),
        actions=[(own, t("only.own_page"), "second")],
    )
    return HTMLResponse(body, 403)
