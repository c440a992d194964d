"""The outermost layer of every application: what holds for each answer, whoever gives it."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit.http.problems import MEDIA_TYPE, Problem

_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Set where the answer says nothing else."""
_TOO_LARGE: Final = Problem(
    413, "too-large", "The body is too large", detail="Send less at once; an import may be split into parts."
)


class RequestLimits:
    """Headers on every answer; a body too large refused as a problem; what was answered is not raised again."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, receive, send)
        try:
            await self.app(scope, receive, answer.send)
        except Exception:
            # Starlette raises again what our handler has logged and answered. Half an answer the server must cut off.
            if not answer.complete:
                raise


class _Answer:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.complete = False
        self._replaced = False
        self._scope, self._receive, self._send = scope, receive, send

    async def send(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            # Starlette's body limiter answers in plain text, from outside of every handler.
            if message["status"] == 413 and headers.get("content-type") != MEDIA_TYPE:
                await _TOO_LARGE.response()(self._scope, self._receive, self.send)
                self._replaced = True
                return
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)
        self.complete = message["type"] == "http.response.body" and not message.get("more_body", False)
