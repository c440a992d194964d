"""Pages of signing in and out, with the form that ends the provider's session too."""

from typing import Final

import structlog
from fastapi import Response

from services.gateway.i18n.catalogue import Texts
from services.gateway.identity.errors import ProviderUnavailable
from services.gateway.identity.provider import IdentityProvider, SignOutForm
from services.gateway.settings import GatewaySettings
from services.gateway.web.guard import policy_with_forms_to
from services.gateway.web.renderer import Renderer

SIGNED_OUT: Final = "/signed-out"
EVERYWHERE: Final = "everywhere"
"""The `state` with which the provider sends the browser back: the session there has ended too."""
_log = structlog.get_logger(__name__)


async def sign_out_form(
    provider: IdentityProvider, settings: GatewaySettings, id_token: str | None
) -> SignOutForm | None:
    """None also while the provider does not answer: the session here has ended all the same."""
    try:
        return await provider.sign_out_form(f"{settings.origin}{SIGNED_OUT}", EVERYWHERE, id_token)
    except ProviderUnavailable:
        return None


def provider_unavailable(pages: Renderer, texts: Texts, error: ProviderUnavailable) -> Response:
    _log.warning("identity_provider.failed", reason=error.reason.value)
    return sign_page(pages, texts, texts("sign.failed_title"), texts("sign.away_text"), 503)


def refused(pages: Renderer, texts: Texts, text: str, status: int, leave: SignOutForm | None = None) -> Response:
    return sign_page(pages, texts, texts("sign.failed_title"), texts(text), status, leave)


def sign_page(
    pages: Renderer,
    texts: Texts,
    title: str,
    text: str,
    status: int,
    leave: SignOutForm | None = None,
    *,
    leaving: bool = False,
) -> Response:
    """`leaving`: the form is sent by itself."""
    return pages.page(
        "sign_in.html",
        texts,
        session=None,
        back="/",
        status=status,
        headers={"Content-Security-Policy": policy_with_forms_to(leave.origins)} if leave else None,
        title=title,
        paragraphs=[text],
        leave=leave,
        leaving=leaving,
        destination="case",
        written="",
    )
