"""Sign-in and sign-out. The student id comes from the provider's claim alone."""

import time
from datetime import UTC, datetime
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.gateway.i18n.catalogue import Texts
from services.gateway.oidc.authentication import RequiredContext, required_context
from services.gateway.oidc.client import OpenIdClient
from services.gateway.oidc.errors import ProviderUnavailable, Refusal, SignInRefused
from services.gateway.routes.dependencies import (
    AccessAuditTable,
    Language,
    OpenId,
    Pages,
    SessionTable,
    Settings,
    Streams,
    Visitor,
)
from services.gateway.routes.session.number_choice import NumberChooser
from services.gateway.routes.session.session_start import DESTINATIONS, CurrentSession, StaffRoles, redirect_home
from services.gateway.settings import GatewaySettings
from services.gateway.web.cookies import SESSION_COOKIE, drop_cookie
from services.gateway.web.csrf import CsrfForm, check_csrf
from services.gateway.web.renderer import Renderer
from services.gateway.web.sign_in_cookies import (
    SignIn,
    drop_sign_in_cookie,
    find_sign_in,
    new_sign_in,
    set_sign_in_cookie,
)
from services.kit.names import CERTIFICATE_DESK

_ROLES_OF: Final = {"desk": (CERTIFICATE_DESK,)}
"""Of a place, before anybody knows who comes."""
_CLEARED: Final = '"cache", "storage"'
"""Not the cookies: the language is one, and a sign-in in another tab."""
_log = structlog.get_logger(__name__)

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in(
    request: Request, openid: OpenId, settings: Settings, pages: Pages, texts: Language, next: str = "case"
) -> Response:
    started = new_sign_in(next if next in DESTINATIONS else "case", time.time())
    context = required_context(settings.role_authentication, _ROLES_OF.get(started.destination, ()))
    try:
        return await _to_provider(request, openid, settings, started, context)
    except ProviderUnavailable as error:
        return _provider_unavailable(pages, texts, error)


@router.get("/sign-in/callback")
async def callback(
    request: Request,
    openid: OpenId,
    settings: Settings,
    browser: CurrentSession,
    chooser: NumberChooser,
    roles: StaffRoles,
    audit: AccessAuditTable,
    pages: Pages,
    texts: Language,
    code: str = "",
    state: str = "",
) -> Response:
    started = find_sign_in(request.cookies, state)
    if started is None:
        # By the back button, or sent twice.
        session = await browser.find()
        return redirect_home(session) if session else _refused(pages, texts, "sign.failed_text", 400)
    try:
        identity = await openid.exchange(code, started.verifier, started.nonce, _callback(settings)) if code else None
        if identity is not None:
            context = required_context(settings.role_authentication, roles.among(identity.roles))
            unmet = context.unmet(identity, datetime.now(UTC))
            if unmet is not None and started.stepped_up:
                raise SignInRefused(unmet)
            if unmet is not None:
                again = new_sign_in(started.destination, time.time(), stepped_up=True)
                response = await _to_provider(request, openid, settings, again, context)
                drop_sign_in_cookie(response, started)
                return response
    except ProviderUnavailable as error:
        return _provider_unavailable(pages, texts, error)
    except SignInRefused as error:
        await audit.sign_in_refused(error.reason.value)
        session = await browser.find() if error.reason is Refusal.CODE_REFUSED else None
        weak = error.reason in (Refusal.STALE_AUTHENTICATION, Refusal.WEAK_AUTHENTICATION)
        text = "sign.weak_text" if weak else "sign.failed_text"
        response = redirect_home(session) if session else _refused(pages, texts, text, 403)
    else:
        if identity is None:
            await audit.sign_in_refused("no_code")
            response = _refused(pages, texts, "sign.failed_text", 400)
        elif len(identity.student_ids) > 1:
            response = await chooser.enter(identity, started.destination)
        elif identity.student_ids or roles.among(identity.roles):
            response = await browser.start(identity, next(iter(identity.student_ids), None), started.destination)
        else:
            await audit.sign_in_refused("no_role", identity.subject)
            response = _refused(pages, texts, "sign.no_student", 403)
    drop_sign_in_cookie(response, started)
    return response


@router.post("/sign-out")
async def sign_out(sessions: SessionTable, streams: Streams, session: Visitor, form: CsrfForm) -> Response:
    """Ends the live pages too. No error without a session."""
    if session is not None:
        check_csrf(session, form.csrf)
        await sessions.end(session.id_hash)
        streams.end(session.id_hash)
    response = RedirectResponse("/signed-out", 303, headers={"Clear-Site-Data": _CLEARED})
    drop_cookie(response, SESSION_COOKIE)
    return response


@router.get("/signed-out")
async def signed_out(openid: OpenId, settings: Settings, pages: Pages, texts: Language) -> Response:
    try:
        provider = await openid.logout_url(f"{settings.origin}/signed-out")
    except ProviderUnavailable:
        provider = None
    return _page(pages, texts, texts("sign.out_title"), texts("sign.out_text"), 200, provider or "")


async def _to_provider(
    request: Request, openid: OpenIdClient, settings: GatewaySettings, started: SignIn, context: RequiredContext
) -> Response:
    """Raises `ProviderUnavailable`."""
    address = await openid.authorization_url(
        started.state, started.nonce, started.verifier, _callback(settings), context
    )
    response = RedirectResponse(address, 303)
    set_sign_in_cookie(response, request.cookies, started)
    return response


def _callback(settings: GatewaySettings) -> str:
    return f"{settings.origin}/sign-in/callback"


def _provider_unavailable(pages: Renderer, texts: Texts, error: ProviderUnavailable) -> Response:
    _log.warning("identity_provider.failed", reason=error.reason.value)
    return _page(pages, texts, texts("sign.failed_title"), texts("sign.away_text"), 503)


def _refused(pages: Renderer, texts: Texts, text: str, status: int) -> Response:
    return _page(pages, texts, texts("sign.failed_title"), texts(text), status)


def _page(pages: Renderer, texts: Texts, title: str, text: str, status: int, provider_out: str = "") -> Response:
    return pages.page(
        "sign_in.html",
        texts,
        session=None,
        back="/",
        status=status,
        title=title,
        paragraphs=[text],
        provider_out=provider_out,
        destination="case",
    )
