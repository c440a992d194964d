"""Security headers, no cross-site writes, rate limits."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.tables.sessions.session import hashed
from services.gateway.web.cookies import SESSION_COOKIE, cookies_of
from services.kit.http.client_address import limited_address
from services.kit.http.middleware import HSTS
from services.kit.http.problems import Problem
from services.kit.runtime.token_buckets import TokenBuckets

_FORMS: Final = "form-action 'self'"
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        _FORMS,
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
CAMERA_PAGES: Final = frozenset({"/desk", "/desk/issue", "/desk/undo", "/desk/document"})
"""They read a form's code with the camera of a phone; no other page may use it."""
PROVIDER_FORM_PAGES: Final = frozenset({"/sign-out", "/signed-out", "/sign-in/callback"})
"""Their one form may go to the identity provider, to end the session there; so they say their own policy."""
_POLICY: Final = b"content-security-policy"
_CAMERA: Final = (b"permissions-policy", HEADERS["Permissions-Policy"].replace("camera=()", "camera=(self)").encode())
_CACHE: Final = b"cache-control"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

# A campus has few addresses, so one may do much; a session is one person.
ADDRESS_RATE, ADDRESS_BURST = 300.0, 1500.0
SESSION_RATE, SESSION_BURST = 10.0, 60.0
WRITE_COST: Final = 4.0
REPORT_RATE, REPORT_BURST = 5.0, 100.0
_log = structlog.get_logger(__name__)


class Guard:
    """The outermost middleware. `origin` is the students' address (`https://host`).

    `unlimited`: addresses that no limit counts, those of files in memory.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        origin: str,
        refuse: Callable[[Request, Response], Response],
        unlimited: Collection[str] = (),
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._unlimited = unlimited
        self._origin = origin
        secure = {"Strict-Transport-Security": HSTS} if origin.startswith("https://") else {}
        self._headers = [(name.lower().encode(), value.encode()) for name, value in (HEADERS | secure).items()]
        self._names = frozenset(name for name, _ in self._headers)
        self._addresses = TokenBuckets(ADDRESS_RATE, ADDRESS_BURST)
        self._sessions = TokenBuckets(SESSION_RATE, SESSION_BURST)
        self._reports = TokenBuckets(REPORT_RATE, REPORT_BURST)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._app(scope, receive, send)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._guarded(message["headers"], scope["path"])
            await send(message)

        refused = self._refused(scope, Headers(scope=scope))
        if refused is None:
            return self._app(scope, receive, send_guarded)
        self._report(refused, scope)
        return self._refuse(Request(scope), refused.response())(scope, receive, send_guarded)

    def _guarded(self, given: Sequence[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
        """`given` without those that the guard sets, and these."""
        headers = [one for one in given if one[0].lower() not in self._names]
        # FastAPI's streams set `no-cache`, which permits storing.
        if not any(name.lower() == _CACHE and value.startswith(b"public") for name, value in headers):
            headers = [one for one in headers if one[0].lower() != _CACHE]
            headers.append((_CACHE, b"no-store"))
        own = self._headers
        if path in CAMERA_PAGES:
            own = [one for one in own if one[0] != _CAMERA[0]] + [_CAMERA]
        if path in PROVIDER_FORM_PAGES and (policy := [one for one in given if _says_of_forms(one)]):
            own = [one for one in own if one[0] != _POLICY] + policy
        return headers + own

    def _refused(self, scope: Scope, headers: Headers) -> Problem | None:
        if scope["method"] not in _SAFE and not self._same_site(headers):
            return Problem(
                403,
                "cross-site",
                title="This request came from another site",
                detail="Open the page of this service and send it from there; nothing was done.",
            )
        if scope["path"] in self._unlimited:
            return None
        cost = 1.0 if scope["method"] in _SAFE else WRITE_COST
        now_s = time.monotonic()
        address = limited_address(_host(scope)).encode()
        wait_s = self._addresses.take(address, cost, now_s)
        # Read as the routes read it: a session has one limit, however its cookie is written.
        session_id = cookies_of(scope, headers).get(SESSION_COOKIE)
        if session_id and not wait_s:
            wait_s = self._sessions.take(hashed(session_id), cost, now_s)
        if not wait_s:
            return None
        return Problem(
            429,
            "too-many-requests",
            title="Too many requests",
            detail="Send it again after the time in Retry-After; nothing was done.",
            headers={"Retry-After": str(int(wait_s) + 1)},
        )

    def _report(self, refused: Problem, scope: Scope) -> None:
        # A flood would be one in the log too.
        if self._reports.take(b"", 1.0, time.monotonic()) == 0.0:
            _log.warning("request.refused", cause=refused.slug, address=_host(scope), method=scope["method"])

    def _same_site(self, headers: Headers) -> bool:
        """The CSRF token is checked besides."""
        fetch_site = headers.get("sec-fetch-site")
        if fetch_site is not None:
            return fetch_site == "same-origin"
        origin = headers.get("origin")
        return origin is None or origin == self._origin


def _says_of_forms(header: tuple[bytes, bytes]) -> bool:
    """Which the policy does not that the kit gives to every answer."""
    return header[0].lower() == _POLICY and _FORMS.encode() in header[1]


def policy_with_forms_to(origins: str) -> str:
    """`origins`: a source of the content security policy."""
    return CONTENT_SECURITY_POLICY.replace(_FORMS, f"{_FORMS} {origins}")


def _host(scope: Scope) -> str:
    return str((scope.get("client") or ("", 0))[0])
