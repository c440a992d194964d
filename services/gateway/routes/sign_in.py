"""Sign-in at the university's OpenID provider, and sign-out. The student id comes from the provider's claim alone."""

import secrets
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter, ValidationError

from schemas.events import StudentId
from services.gateway.i18n.catalogue import Texts
from services.gateway.oidc.errors import ProviderUnavailable, SignInRefused
from services.gateway.routes.dependencies import Language, OpenId, Pages, SessionTable, Settings, Streams, Visitor
from services.gateway.settings import GatewaySettings
from services.gateway.web.cookies import SESSION_COOKIE, SIGN_IN_COOKIE, drop_cookie, set_cookie
from services.gateway.web.csrf import CsrfForm, check_csrf
from services.gateway.web.renderer import Renderer
from services.kit.names import CERTIFICATE_DESK

_SIGN_IN_S: Final = 600
_DESTINATIONS: Final = {"case": "/case", "me": "/me", "completed": "/completed", "guide": "/", "desk": "/desk"}
"""Pages to go on to after signing in, by name: an address in the URL would be an open redirect."""
_ROLES: Final = frozenset({CERTIFICATE_DESK})
"""Roles that sign in without a student number."""
_student_ids: TypeAdapter[str] = TypeAdapter(StudentId)
_log = structlog.get_logger(__name__)

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in(openid: OpenId, settings: Settings, pages: Pages, texts: Language, next: str = "case") -> Response:
    """Send the browser to the provider; a cookie keeps the state, nonce and verifier that its answer must match."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    try:
        address = await openid.authorization_url(state, nonce, verifier, _callback(settings))
    except ProviderUnavailable as error:
        return _provider_unavailable(pages, texts, error)
    response = RedirectResponse(address, 303)
    destination = next if next in _DESTINATIONS else "case"
    set_cookie(response, SIGN_IN_COOKIE, f"{state}.{nonce}.{verifier}.{destination}", _SIGN_IN_S)
    return response


@router.get("/sign-in/callback")
async def callback(
    request: Request,
    openid: OpenId,
    settings: Settings,
    sessions: SessionTable,
    pages: Pages,
    texts: Language,
    code: str = "",
    state: str = "",
) -> Response:
    """Exchange the provider's answer for a session under a new id, whatever id the browser had."""
    pieces = request.cookies.get(SIGN_IN_COOKIE, "").split(".")
    if len(pieces) != 4 or not code or not secrets.compare_digest(pieces[0].encode(), state.encode()):
        return _refused(pages, texts, texts("sign.failed_text"), 400)
    _, nonce, verifier, destination = pieces
    try:
        identity = await openid.exchange(code, verifier, nonce, _callback(settings))
    except SignInRefused as error:
        _log.info("sign_in.refused", reason=error.reason.value)
        return _refused(pages, texts, texts("sign.failed_text"), 403)
    except ProviderUnavailable as error:
        return _provider_unavailable(pages, texts, error)
    student_id, roles = _student_id(identity.student_id), identity.roles & _ROLES
    if student_id is None and not roles:
        return _refused(pages, texts, texts("sign.no_student"), 403)
    if student_id is None:
        destination = "desk"
    session_id = await sessions.start(
        student_id=student_id,
        issuer=identity.issuer,
        subject=identity.subject,
        authenticated_at=identity.authenticated_at,
        old=request.cookies.get(SESSION_COOKIE),
        roles=roles,
    )
    response = RedirectResponse(_DESTINATIONS.get(destination, "/case"), 303)
    set_cookie(response, SESSION_COOKIE, session_id, settings.session_life_s)
    drop_cookie(response, SIGN_IN_COOKIE)
    return response


@router.post("/sign-out")
async def sign_out(sessions: SessionTable, streams: Streams, session: Visitor, form: CsrfForm) -> Response:
    """End the session and its live pages; without a session it is no error."""
    if session is not None:
        check_csrf(session, form.csrf)
        await sessions.end(session.id_hash)
        streams.end(session.id_hash)
    response = RedirectResponse("/signed-out", 303)
    drop_cookie(response, SESSION_COOKIE)
    return response


@router.get("/signed-out")
async def signed_out(openid: OpenId, settings: Settings, pages: Pages, texts: Language) -> Response:
    """Confirm the sign-out, with a link to sign out at the provider too."""
    try:
        provider = await openid.logout_url(f"{settings.origin}/signed-out")
    except ProviderUnavailable:
        provider = None
    return _page(pages, texts, texts("sign.out_title"), [texts("sign.out_text")], 200, provider or "")


def _callback(settings: GatewaySettings) -> str:
    return f"{settings.origin}/sign-in/callback"


def _student_id(claimed: str | None) -> str | None:
    try:
        return _student_ids.validate_python(claimed)
    except ValidationError:
        return None


def _provider_unavailable(pages: Renderer, texts: Texts, error: ProviderUnavailable) -> Response:
    _log.warning("identity_provider.unavailable", reason=error.reason.value)
    return _page(pages, texts, texts("sign.failed_title"), [texts("sign.away_text")], 503, "")


def _refused(pages: Renderer, texts: Texts, text: str, status: int) -> Response:
    response = _page(pages, texts, texts("sign.failed_title"), [text], status, "")
    drop_cookie(response, SIGN_IN_COOKIE)
    return response


def _page(pages: Renderer, texts: Texts, title: str, paragraphs: list[str], status: int, provider_out: str) -> Response:
    return pages.page(
        "sign_in.html",
        texts,
        session=None,
        back="/",
        status=status,
        title=title,
        paragraphs=paragraphs,
        provider_out=provider_out,
        place="case",
    )
