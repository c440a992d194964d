"""Back-channel logout: the provider says that somebody's session is over (OpenID Connect Back-Channel Logout 1.0)."""

from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Form, Response
from fastapi.responses import JSONResponse

from services.gateway.oidc.errors import ProviderUnavailable, Refusal, SignInRefused
from services.gateway.routes.dependencies import AccessAuditTable, OpenId, SessionTable, Streams

ADDRESS: Final = "/sign-in/logout-token"
_MAX_TOKEN: Final = 32_768
_log = structlog.get_logger(__name__)

router = APIRouter(include_in_schema=False)


@router.post(ADDRESS)
async def logout(
    openid: OpenId,
    sessions: SessionTable,
    streams: Streams,
    audit: AccessAuditTable,
    logout_token: Annotated[str, Form()] = "",
) -> Response:
    """200 if the sessions named have ended, none too; else 400 (§2.8)."""
    try:
        if not logout_token.isascii() or len(logout_token) > _MAX_TOKEN:
            raise SignInRefused(Refusal.TOKEN_MALFORMED)
        token = await openid.logout_token(logout_token)
        ended = await sessions.end_by_provider(
            issuer=token.issuer,
            subject=token.subject,
            sid=token.sid,
            token_id=token.token_id,
            valid_until=token.valid_until,
        )
        if ended is None:
            raise SignInRefused(Refusal.REPLAYED)
    except SignInRefused as refused:
        await audit.logout_refused(refused.reason.value)
        return JSONResponse({"error": "invalid_request"}, 400)
    except ProviderUnavailable as error:
        _log.warning("identity_provider.failed", reason=error.reason.value)
        return JSONResponse({"error": "temporarily_unavailable"}, 400)
    for id_hash in ended:
        streams.end(id_hash)
    return Response()
