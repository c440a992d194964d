"""ASGI middleware inside FastAPI's telemetry, outside Starlette's error handlers.

What has nothing to do afterwards hands the inner call on instead of awaiting it: an open stream keeps every frame.
"""

from collections.abc import Awaitable, Collection
from typing import Final

from opentelemetry import trace
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit.audit.log import CLIENT_ADDRESS
from services.kit.http.client_address import host_matches
from services.kit.http.problems import MEDIA_TYPE, Problem

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Responses may override them."""
TRACE_RESPONSE: Final = "traceresponse"
"""The trace that answered, as W3C's Trace Context has it: what a person quotes, and an operator looks for."""
HSTS: Final = "max-age=31536000; includeSubDomains"
_TOO_LARGE: Final = Problem(
    413, "too-large", "The body is too large", detail="Send less at once; an import may be split into parts."
)
_OTHER_CHARSET: Final = Problem(
    415, "other-charset", "The form is not in UTF-8", detail="Send it in UTF-8, without a charset; nothing was done."
)
_UTF_8: Final = (b"utf-8", b"utf8")
_ELSEWHERE: Final = Problem(
    421, "misdirected", "Another host was asked", detail="Send the request to this service's own address."
)


class RequestLimits:
    """Default headers, the trace's id, problems for 413 and 415, and no re-raise of answered errors."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = _Response(scope, receive, send)
        if _in_other_charset(Headers(scope=scope).get("content-type", "")):
            await _OTHER_CHARSET.response()(scope, receive, response.send)
            return
        try:
            await self.app(scope, receive, response.send)
        except Exception:
            # Starlette re-raises what our handler has logged and answered; a half-sent response has to be cut off.
            if not response.complete:
                raise


def _in_other_charset(content_type: str) -> bool:
    """Of a multipart form. Starlette would decode it by any of Python's codecs: some take a minute for a megabyte."""
    if "multipart" not in content_type.lower():
        return False
    _, parameters = parse_options_header(content_type)
    return parameters.get(b"charset", b"utf-8").lower() not in _UTF_8


class _Response:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.complete = False
        self._replaced = False
        self._scope, self._receive, self._send = scope, receive, send

    async def send(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            # FastAPI's body limiter answers in plain text, outside every exception handler.
            if message["status"] == 413 and headers.get("content-type") != MEDIA_TYPE:
                await _TOO_LARGE.response()(self._scope, self._receive, self.send)
                self._replaced = True
                return
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if self._scope.get("scheme") == "https":
                headers.setdefault("Strict-Transport-Security", HSTS)
            traced = trace.get_current_span().get_span_context()
            if traced.is_valid:
                headers[TRACE_RESPONSE] = f"00-{traced.trace_id:032x}-{traced.span_id:016x}-{traced.trace_flags:02x}"
        await self._send(message)
        self.complete = message["type"] == "http.response.body" and not message.get("more_body", False)


class ClientAddress:
    """What the audit records as the address of what a request leads to."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        before = CLIENT_ADDRESS.set(str((scope.get("client") or ("", 0))[0]))
        try:
            await self.app(scope, receive, send)
        finally:
            CLIENT_ADDRESS.reset(before)


class AllowedHosts:
    """Answers only under the service's own names; a probe by address may ask for its health."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self.app = app
        self._allowed = allowed

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if (
            scope["type"] != "http"
            or scope["path"].startswith("/health/")
            or host_matches(Headers(scope=scope).get("host", ""), self._allowed)
        ):
            return self.app(scope, receive, send)
        return _ELSEWHERE.response()(scope, receive, send)


class CompleteOnDisconnect:
    """Ends the response when its client has gone.

    A live stream ends only so; FastAPI would record a `ConnectionError`, a server error in telemetry.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = complete = disconnected = False

        async def receive_noted() -> Message:
            nonlocal disconnected
            message = await receive()
            disconnected = disconnected or message["type"] == "http.disconnect"
            return message

        async def send_noted(message: Message) -> None:
            nonlocal started, complete
            await send(message)
            started = True
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        await self.app(scope, receive_noted, send_noted)
        if disconnected and started and not complete:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
