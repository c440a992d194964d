"""The provider ends sessions: by a logout token (OpenID Connect Back-Channel Logout 1.0) or by a CAS single logout."""

from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from services.gateway.identity.errors import ProviderUnavailable, Refusal, SignInRefused
from services.gateway.routes.dependencies import AccessAuditTable, Provider, SessionTable, Streams
from services.gateway.routes.session.sign_in import CALLBACK

ADDRESS: Final = "/sign-in/logout-token"
_MAX_FIELDS: Final = 20
_log = structlog.get_logger(__name__)

router = APIRouter(include_in_schema=False)


@router.post(ADDRESS)
@router.post(CALLBACK)  # where a CAS server sends it, unless the service has another address for it
async def logout(
    request: Request, provider: Provider, sessions: SessionTable, streams: Streams, audit: AccessAuditTable
) -> Response:
    """200 if the sessions named have ended, none too; else 400 (§2.8)."""
    form = await request.form(max_fields=_MAX_FIELDS, max_files=0)
    try:
        ended = await provider.sessions_ended({name: one for name, one in form.items() if isinstance(one, str)})
        hashes = await sessions.end_by_provider(ended)
        if hashes is None:
            raise SignInRefused(Refusal.REPLAYED)
    except SignInRefused as refused:
        await audit.logout_refused(refused.reason.value)
        return JSONResponse({"error": "invalid_request"}, 400)
    except ProviderUnavailable as error:
        _log.warning("identity_provider.failed", reason=error.reason.value)
        return JSONResponse({"error": "temporarily_unavailable"}, 400)
    for id_hash in hashes:
        streams.end(id_hash)
    return Response()
