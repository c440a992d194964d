"""What anybody may ask: whether a form is genuine, by its number and verification code, and the public keys.

The answer is genuine and the day, or not; why not is nobody's business here, so that asking tells nothing of a number
whose code one does not have.
"""

import secrets
import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.certificates.verification import GOOD, Scan, judge
from services.gateway.i18n.formats import date_words, local_day
from services.gateway.routes.dependencies import Gateway, Language, Parts, Perhaps
from services.kit.receipts.numbers import read_form_number

KEYS_ADDRESS: Final = "/.well-known/lixiao-keys.json"
router = APIRouter(include_in_schema=False)


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    form_number: Annotated[str, Field(max_length=64)] = ""
    code: Annotated[str, Field(max_length=32)] = ""


@router.get("/verify")
async def ask(parts: Parts, session: Perhaps, t: Language) -> Response:
    return _page(parts, session, t, answered=False, day="")


@router.post("/verify")
async def verify(
    request: Request, parts: Parts, session: Perhaps, t: Language, asked: Annotated[_Asked, Form()]
) -> Response:
    parts.checks.take(request.client.host if request.client else "", time.monotonic())
    at = await _genuine_at(parts, asked)
    offset = parts.renderer.house.university.utc_offset_minutes
    day = date_words(local_day(at, offset), t.language) if at else ""
    return _page(parts, session, t, answered=True, day=day)


@router.get(KEYS_ADDRESS)
async def keys(parts: Parts) -> Response:
    """The public keys as a JWK set (RFC 7517), retired ones too: with them anybody checks a form offline."""
    headers = {"Cache-Control": "public, max-age=300"}
    return JSONResponse({"keys": await parts.register.jwks()}, headers=headers, media_type="application/jwk-set+json")


async def _genuine_at(parts: Gateway, asked: _Asked) -> Any:
    """When the form was accepted; None unless the number, the code and the signature fit."""
    number = read_form_number(asked.form_number)
    listed = await parts.register.keys()
    registered = await parts.register.by_number(number or "")
    code = "".join(asked.code.split()).replace("-", "").upper()
    expected = registered.record.code.replace("-", "") if registered else ""
    if registered is None or not secrets.compare_digest(code.encode(), expected.encode()):
        return None
    judged = judge(Scan(number), registered.record, listed)
    return registered.record.accepted_at if judged.finding in GOOD else None


def _page(parts: Gateway, session: Any, t: Any, *, answered: bool, day: str) -> Response:
    body = parts.renderer.page("verify.html", t, session=session, back="/verify", answered=answered, day=day)
    return HTMLResponse(body)
