"""Public verification of forms, and the public keys.

Which of number, code and signature was wrong is not disclosed: nothing is learnt of a number without its code.
"""

import asyncio
import secrets
import time
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.certificates.masking import end_of_number, masked_name
from services.gateway.certificates.verification import GOOD, MAX_CHARACTERS, Scan, read_scan, verify_scan
from services.gateway.i18n.formats import local_day, long_date
from services.gateway.printing.qr_image import CHECK_PATH
from services.gateway.read_model.types import Case, Submission
from services.gateway.routes.dependencies import (
    Context,
    KnownVisitor,
    Language,
    Limits,
    Pages,
    Settings,
    Submissions,
)
from services.kit.receipts.numbers import read_code, read_form_number

KEYS_ADDRESS: Final = "/.well-known/lixiao-keys.json"
_STEP_S: Final = 0.15
"""An answer waits for the next multiple: a number that exists takes longer to look up than one that does not."""
router = APIRouter(include_in_schema=False)


class _VerificationForm(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    form_number: Annotated[str, Field(max_length=64)] = ""
    code: Annotated[str, Field(max_length=32)] = ""
    signed: Annotated[str, Field(max_length=MAX_CHARACTERS)] = ""
    """In place of both: what was scanned, which the page's script takes out of the address."""


@router.get(CHECK_PATH)
async def verification_page(pages: Pages, session: KnownVisitor, texts: Language, settings: Settings) -> Response:
    return pages.page(
        "verify.html",
        texts,
        session=session,
        back=CHECK_PATH,
        origin=settings.origin,
        answered=False,
        day="",
        void_day="",
    )


@router.post(CHECK_PATH)
async def verify(
    request: Request,
    pages: Pages,
    session: KnownVisitor,
    context: Context,
    limits: Limits,
    submissions: Submissions,
    settings: Settings,
    form: Annotated[_VerificationForm, Form()],
) -> Response:
    number = read_form_number(form.form_number) or ""
    await limits.take(request.client.host if request.client else "", number)
    started_s = time.monotonic()
    if form.signed:
        found, student = await _signed(submissions, form.signed)
    else:
        found, student = await _typed(submissions, number, form.code)
    offset = context.site.university.utc_offset_minutes
    day = long_date(local_day(found.accepted_at, offset), context.language) if found else ""
    void = found.void if found else None
    page = pages.page(
        "verify.html",
        context.texts,
        session=session,
        back=CHECK_PATH,
        origin=settings.origin,
        answered=True,
        scanned=bool(form.signed),
        day=day,
        number=found.form_number if found else "",
        name=masked_name(student.name) if student else "",
        ends_in=end_of_number(student.student_id) if student else "",
        void_day=long_date(local_day(void.voided_at, offset), context.language) if void else "",
        replaced_by=void.replaced_by if void else "",
    )
    await asyncio.sleep(_STEP_S - (time.monotonic() - started_s) % _STEP_S)
    return page


@router.get(KEYS_ADDRESS)
async def keys(submissions: Submissions) -> Response:
    """A JWK set (RFC 7517) for offline verification, retired keys too."""
    headers = {"Cache-Control": "public, max-age=300"}
    return JSONResponse({"keys": await submissions.jwks()}, headers=headers, media_type="application/jwk-set+json")


async def _signed(submissions: Submissions, text: str) -> tuple[Submission | None, Case | None]:
    """The form that was scanned, and whose it is; none of a number, which is not enough without its code."""
    public_keys = await submissions.keys()
    scan = read_scan(text, public_keys)
    if scan.receipt is None or scan.form_number is None:
        return None, None
    record = await submissions.by_number(scan.form_number)
    result = verify_scan(scan, record.published if record else None, public_keys)
    return (record.submission, result.student) if record and result.finding in GOOD else (None, None)


async def _typed(submissions: Submissions, number: str, typed_code: str) -> tuple[Submission | None, Case | None]:
    """As `_signed`."""
    public_keys = await submissions.keys()
    record = await submissions.by_number(number)
    code = read_code(typed_code)
    expected = record.published.code.replace("-", "") if record else ""
    if record is None or not secrets.compare_digest(code.encode(), expected.encode()):
        return None, None
    result = verify_scan(Scan(number), record.published, public_keys)
    return (record.submission, result.student) if result.finding in GOOD else (None, None)
