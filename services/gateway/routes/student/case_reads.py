"""The case page and its JSON twin as most requests need them: a student, signed in, with a case that can be read.

They are answered here, inside the guard and before FastAPI, whose part would cost more than the rest. Everything else
goes on to the routes of these addresses: nobody signed in, staff, no case, an outage.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.case.present import present
from services.gateway.case.progress import CaseProgress, Standing, case_progress, clock_input
from services.gateway.case.usual_case import usual_case
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import Texts, catalogue, preferred_language
from services.gateway.read_model.student_rows import StudentRows
from services.gateway.read_model.students import ReadModel, ReadModelError
from services.gateway.routes.dependencies import EARLIER_FAILURE
from services.gateway.routes.student.prepared_answers import PreparedAnswers
from services.gateway.routes.student.student_answers import case_answer
from services.gateway.routes.student.student_pages import case_page
from services.gateway.shown.document import ShownPage, shown_page
from services.gateway.shown.recorder import ShownPages
from services.gateway.tables.sessions.session import Session
from services.gateway.tables.visits import Visit, Visits
from services.gateway.web.cookies import LANGUAGE_COOKIE, SESSION_COOKIE, cookies_of
from services.gateway.web.kept_answers import KeptAnswer, KeptAnswers
from services.gateway.web.renderer import Renderer
from services.gateway.web.role_confirmation import RoleConfirmation

PAGE: Final = "/case"
TWIN: Final = "/api/v1/case"
PATHS: Final = (PAGE, TWIN)
_MEDIA_TYPES: Final = {PAGE: b"text/html; charset=utf-8", TWIN: b"application/json"}
_SHOWN: Final = (Standing.OPEN, Standing.COMPLETED)


@dataclass(frozen=True, slots=True)
class CaseInput:
    """All that a case's answer is made from, besides what does not change while the gateway runs."""

    visit: Visit
    rows: StudentRows
    texts: Texts
    now: datetime


async def _visit(components: Mapping[type[Any], Any], session_id: str | None) -> Visit | None:
    """Of a student who works here too, with the roles that the session has now; None if it ended."""
    visit: Visit | None = await components[Visits].find(session_id)
    if visit is None or session_id is None or not visit.session.roles:
        return visit
    session = await components[RoleConfirmation].confirmed(session_id, visit.session)
    return session and replace(visit, session=session)


class CaseReads:
    """ASGI, around the application."""

    def __init__(self, app: ASGIApp, renderer: Renderer, kept: KeptAnswers) -> None:
        self._app, self._renderer, self._kept = app, renderer, kept
        self._prepared = PreparedAnswers(renderer)
        self._token = secrets.token_urlsafe(32).encode()
        """Stands for each session's CSRF token in kept pages."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = None
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PATHS:
            try:
                body = await self._body(scope)
            except ReadModelError:
                pass
            except Exception as error:
                # Answered and logged as the routes' failures are.
                scope[EARLIER_FAILURE] = error
        if body is None:
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", _MEDIA_TYPES[scope["path"]]), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _body(self, scope: Scope) -> bytes | None:
        components, path = scope["app"].state.components, scope["path"]
        read_model: ReadModel = components[ReadModel]
        if read_model.away_since is not None:
            return None
        headers = Headers(scope=scope)
        cookies = cookies_of(scope, headers)
        visit = await _visit(components, cookies.get(SESSION_COOKIE))
        if visit is None or not visit.session.student_id:
            return None
        rows = await read_model.rows_of(visit.session.student_id)
        texts = catalogue(preferred_language(cookies.get(LANGUAGE_COOKIE), headers.get("accept-language")))
        answer = self._answer(path, CaseInput(visit, rows, texts, datetime.now(UTC)))
        if answer is None:
            return None
        session: Session = visit.session
        if answer.shown is not None:
            components[ShownPages].note(session.student_id, texts.language, answer.shown)
        return session.csrf.encode().join(answer.pieces)

    def _answer(self, path: str, given: CaseInput) -> KeptAnswer | None:
        key = path, given.visit.session.student_id, given.texts.language
        made_from = self._made_from(path, given)
        answer = self._kept.get(key, made_from)
        if answer is None:
            answer = self._made(path, given)
            if answer is not None:
                self._kept.put(key, made_from, answer)
        return answer

    def _made_from(self, path: str, given: CaseInput) -> tuple[Any, ...]:
        marks = given.rows.alive_marks()
        return (
            clock_input(self._renderer.site, marks, given.now),
            given.visit.session.roles,
            given.visit.command_rows,
            given.visit.comment_rows,
            marks if path == TWIN else None,
            given.rows.content(),
        )

    def _made(self, path: str, given: CaseInput) -> KeptAnswer | None:
        site = self._renderer.site
        context = ViewContext(site, given.texts, given.now)
        visit = given.visit

        def progress_of() -> CaseProgress:
            return case_progress(given.rows.snapshot(), visit.commands(), site, given.now, visit.comments())

        usual = usual_case(given.rows, site, given.now) if visit.is_quiet else None
        if usual is not None and path == TWIN:
            return self._cut(self._prepared.twin(usual, context, progress_of))
        if usual is not None:
            page = self._prepared.page(usual, context, visit.session.roles, self._token, progress_of)
            return self._cut(*page)
        progress = progress_of()
        if path == TWIN:
            answer = case_answer(context, progress.case, progress).model_dump_json() if progress.case else None
            return self._cut(answer.encode()) if answer is not None else None
        if progress.standing not in _SHOWN:
            return None
        session = replace(visit.session, csrf=self._token.decode())
        words = present(context, progress)
        html = case_page(self._renderer, session, words, context)
        return self._cut(html.encode(), shown_page(words, progress))

    def _cut(self, body: bytes, shown: ShownPage | None = None) -> KeptAnswer:
        return KeptAnswer(tuple(body.split(self._token)), shown)
