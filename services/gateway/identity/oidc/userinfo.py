"""Claims that are not in the ID token (OpenID Connect Core §5.3)."""

import re
from typing import Any, Final

import httpx

from services.gateway.identity.errors import ProviderUnavailable, Refusal, SignInRefused, Unavailability
from services.gateway.identity.http import request_json

MAX_ACCESS_TOKEN: Final = 16_384
_BEARER_TOKEN: Final = re.compile(rf"(?=.{{1,{MAX_ACCESS_TOKEN}}}\Z)[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 §2.1


async def fetch_userinfo(
    http: httpx.AsyncClient, endpoint: str, access_token: object, subject: object, timeout_s: float
) -> dict[str, Any]:
    """Raises `SignInRefused` or `ProviderUnavailable`."""
    if not isinstance(access_token, str) or not _BEARER_TOKEN.fullmatch(access_token):
        raise SignInRefused(Refusal.TOKEN_MALFORMED)
    headers = {"Authorization": f"Bearer {access_token}"}
    status, claims = await request_json(http, "GET", endpoint, timeout_s, headers=headers)
    if status != 200:
        raise ProviderUnavailable(Unavailability.BAD_STATUS)
    # An access token may have been swapped (§5.3.2).
    if claims.get("sub") != subject:
        raise SignInRefused(Refusal.WRONG_SUBJECT)
    return claims
