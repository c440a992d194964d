"""Sign-in. The student id comes from the provider alone."""

import time
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.gateway.identity.authentication import RequiredContext, required_context
from services.gateway.identity.errors import ProviderUnavailable, Refusal, SignInRefused
from services.gateway.identity.identity import Identity
from services.gateway.identity.provider import Attempt, IdentityProvider
from services.gateway.routes.dependencies import (
    AccessAuditTable,
    Language,
    Pages,
    Provider,
    Settings,
)
from services.gateway.routes.session.number_choice import NumberChooser
from services.gateway.routes.session.session_start import DESTINATIONS, CurrentSession, StaffRoles, redirect_home
from services.gateway.routes.session.sign_pages import provider_unavailable, refused, sign_out_form
from services.gateway.settings import GatewaySettings
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
CALLBACK: Final = "/sign-in/callback"
router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in(
    request: Request, provider: Provider, settings: Settings, pages: Pages, texts: Language, next: str = "case"
) -> Response:
    started = new_sign_in(next if next in DESTINATIONS else "case", time.time())
    context = required_context(settings.role_authentication, _ROLES_OF.get(started.destination, ()))
    try:
        return await _to_provider(request, provider, settings, started, context)
    except ProviderUnavailable as error:
        return provider_unavailable(pages, texts, error)


@router.get(CALLBACK)
async def callback(
    request: Request,
    provider: Provider,
    settings: Settings,
    browser: CurrentSession,
    chooser: NumberChooser,
    roles: StaffRoles,
    audit: AccessAuditTable,
    pages: Pages,
    texts: Language,
    state: str = "",
) -> Response:
    started = find_sign_in(request.cookies, state)
    if started is None:
        # By the back button, or sent twice.
        session = await browser.find()
        return redirect_home(session) if session else refused(pages, texts, "sign.failed_text", 400)
    identity: Identity | None = None
    try:
        identity = await provider.identity(_attempt(settings, started), dict(request.query_params))
        if identity is not None:
            context = required_context(settings.role_authentication, roles.signing_in(identity.roles))
            unmet = context.unmet(identity, datetime.now(UTC))
            if unmet is not None and started.stepped_up:
                raise SignInRefused(unmet)
            if unmet is not None:
                again = new_sign_in(started.destination, time.time(), stepped_up=True)
                response = await _to_provider(request, provider, settings, again, context)
                drop_sign_in_cookie(response, started)
                return response
    except ProviderUnavailable as error:
        return provider_unavailable(pages, texts, error)
    except SignInRefused as error:
        await audit.sign_in_refused(error.reason.value)
        spent = error.reason in (Refusal.CODE_REFUSED, Refusal.TICKET_REFUSED)
        session = await browser.find() if spent else None
        weak = error.reason in (Refusal.STALE_AUTHENTICATION, Refusal.WEAK_AUTHENTICATION)
        text = "sign.weak_text" if weak else "sign.failed_text"
        leave = await sign_out_form(provider, settings, identity.id_token) if identity else None
        response = redirect_home(session) if session else refused(pages, texts, text, 403, leave)
    else:
        if identity is None:
            await audit.sign_in_refused("no_code")
            response = refused(pages, texts, "sign.failed_text", 400)
        elif len(identity.student_ids) > 1:
            response = await chooser.enter(identity, started.destination)
        elif identity.student_ids or roles.among(identity.roles):
            response = await browser.start(identity, next(iter(identity.student_ids), None), started.destination)
        else:
            await audit.sign_in_refused("no_role", identity.subject)
            leave = await sign_out_form(provider, settings, identity.id_token)
            response = refused(pages, texts, "sign.no_student", 403, leave)
    drop_sign_in_cookie(response, started)
    return response


async def _to_provider(
    request: Request, provider: IdentityProvider, settings: GatewaySettings, started: SignIn, context: RequiredContext
) -> Response:
    """Raises `ProviderUnavailable`."""
    response = RedirectResponse(await provider.sign_in_url(_attempt(settings, started), context), 303)
    set_sign_in_cookie(response, request.cookies, started)
    return response


def _attempt(settings: GatewaySettings, started: SignIn) -> Attempt:
    address = f"{settings.origin}{CALLBACK}"
    return Attempt(address, started.state, started.nonce, started.verifier, again=bool(started.stepped_up))
