"""Where to report a fault: RFC 9116, for an installation that names a contact."""

from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from services.gateway.routes.dependencies import Settings

ADDRESS: Final = "/.well-known/security.txt"
_GOOD_FOR: Final = timedelta(days=180)
router = APIRouter(include_in_schema=False)


@router.get(ADDRESS)
async def security_txt(settings: Settings) -> Response:
    if settings.security_contact is None:
        raise HTTPException(404)
    lines = (
        f"Contact: {settings.security_contact}",
        f"Expires: {datetime.now(UTC) + _GOOD_FOR:%Y-%m-%dT00:00:00Z}",
        "Preferred-Languages: zh, en",
        f"Canonical: {settings.origin}{ADDRESS}",
    )
    return PlainTextResponse("\n".join(lines) + "\n")
