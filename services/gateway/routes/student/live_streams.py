"""The stream of a student's open page, as ASGI around the application.

It is open as long as the page, so it is answered here, inside the guard and before FastAPI, whose part would keep three
tasks and their queues for each. While it waits it has nothing but uvicorn's own task, which waits for the client to go.
"""

from collections.abc import Awaitable
from typing import Final

from opentelemetry import trace
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.case.live.hub import Hub
from services.gateway.case.live.stream import Stream
from services.gateway.i18n.catalogue import Texts, catalogue, preferred_language
from services.gateway.routes.dependencies import EARLIER_FAILURE
from services.gateway.tables.sessions.session import Session
from services.gateway.tables.visits import Visits
from services.gateway.web.cookies import LANGUAGE_COOKIE, SESSION_COOKIE, cookies_of, forget_headers
from services.gateway.web.role_confirmation import RoleConfirmation
from services.kit.observability.sampling import STREAM

PATH: Final = "/case/live"
_HEADERS: Final = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no"))
"""nginx must not hold back what is written."""


class LiveStreams:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == PATH:
            return self._stream(scope, receive, send)
        return self._app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A local of this call is kept as long as the page is open.
        stream = await _connected(scope)
        if stream is None:
            await self._app(scope, receive, send)
            return
        try:
            trace.get_current_span().set_attribute(STREAM, True)
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            stream.start(send)
            # Until the client has gone, or the stream's end was sent.
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            scope["app"].state.components[Hub].disconnect(stream)


async def _connected(scope: Scope) -> Stream | None:
    """None for the route of this address: nobody signed in, no student, or a failure, which it answers and logs."""
    try:
        visitor = await _visitor(scope)
        if visitor is None:
            return None
        stream: Stream = scope["app"].state.components[Hub].connect(*visitor)
    except Exception as error:
        scope[EARLIER_FAILURE] = error
        return None
    forget_headers(scope)
    return stream


async def _visitor(scope: Scope) -> tuple[Session, Texts] | None:
    headers, components = Headers(scope=scope), scope["app"].state.components
    cookies = cookies_of(scope, headers)
    session_id = cookies.get(SESSION_COOKIE)
    visit = await components[Visits].find(session_id)
    if visit is None or session_id is None or not visit.session.student_id:
        return None
    session = await components[RoleConfirmation].confirmed(session_id, visit.session)
    if session is None:
        return None
    return session, catalogue(preferred_language(cookies.get(LANGUAGE_COOKIE), headers.get("accept-language")))
