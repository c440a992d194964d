"""Verification of what a clerk scanned or typed. Pure.

Genuine: signed with a listed key, exactly the published receipt, and its record shows what was signed. For a typed
number the paper is still to be compared.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from joserfc.jwk import OKPKey

from schemas.events import Verdict
from services.gateway.read_model.signed_form import student_of
from services.gateway.read_model.types import Attested, Case, PublishedSubmission
from services.gateway.typed_names import may_be_name, typed_name
from services.kit.receipts.form_digest import instant, stands_for
from services.kit.receipts.jws import Form, InvalidSignature
from services.kit.receipts.numbers import read_form_number
from services.kit.receipts.qr import packed_in, unverified_text, verify_text
from services.kit.rules.waivers import Waiver, signed_waivers

MAX_CHARACTERS: Final = 65_536
MAX_SEARCH: Final = 64


class Finding(StrEnum):
    GENUINE = "genuine"
    BY_NUMBER = "by-number"
    """Only the number was read from the paper."""
    ALTERED = "altered"
    """Or its key was never listed."""
    REVOKED = "revoked"
    """As accepted, by a key that was revoked since: to be printed again."""
    FORGED = "forged"
    """By a revoked key, and not as accepted: whoever has the leaked key can sign one."""
    DIFFERS = "differs"
    """Signed, but not as published under its number."""
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"
    """Neither a form nor a number."""
    NOT_YOURS = "not-yours"
    """Of a student of another college than the clerk's."""


GOOD: Final = frozenset({Finding.GENUINE, Finding.BY_NUMBER})


@dataclass(frozen=True, slots=True)
class Scan:
    """`receipt` only of a form whose signature fits, or whose key was revoked."""

    form_number: str | None
    receipt: str | None = None
    defect: Finding | None = None


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """`student` is as signed, for a genuine form."""

    finding: Finding
    student: Case | None = None


def read_scan(text: str, keys: Mapping[str, OKPKey], revoked: Collection[str] = ()) -> Scan:
    """`text`: a QR text, a form's link, a compact JWS or a form number. `revoked`: kids of keys no more in `keys`."""
    text = text.strip()
    if _is_form(text):
        try:
            form, defect = verify_text(text, keys), None
        except InvalidSignature:
            claimed = _of_revoked_key(text, revoked)
            if claimed is None:
                return Scan(None, None, Finding.ALTERED)
            form, defect = claimed, Finding.FORGED
        number = form.payload.get("form")
        return Scan(number if isinstance(number, str) else None, form.receipt, defect)
    number = read_form_number(text) if len(text) <= MAX_SEARCH else None
    return Scan(number, None, None if number else Finding.UNREADABLE)


def searched(text: str) -> str | None:
    """What a student is looked for by: a number or a name. None for what a form is read from."""
    text = typed_name(text)
    # No signature is so short: two dots are of a name here.
    is_form = packed_in(text) is not None or read_form_number(text) is not None
    return None if is_form or not may_be_name(text) or len(text) > MAX_SEARCH else text


def _is_form(text: str) -> bool:
    signed = text.count(".") == 2 and (len(text) > MAX_SEARCH or " " not in text)
    return signed or packed_in(text) is not None


def _of_revoked_key(text: str, revoked: Collection[str]) -> Form | None:
    try:
        form = unverified_text(text)
    except InvalidSignature:
        return None
    return form if form.kid in revoked else None


def verify_scan(
    scan: Scan, record: PublishedSubmission | None, keys: Mapping[str, OKPKey], revoked: Collection[str] = ()
) -> VerificationResult:
    """`record` is published under the scanned number; `revoked` as for `read_scan`."""
    if scan.defect is not None:
        known = record is not None and scan.receipt in (record.receipt, *record.former_receipts)
        return VerificationResult(Finding.REVOKED if scan.receipt and known else scan.defect)
    if record is None:
        return VerificationResult(Finding.UNKNOWN)
    try:
        payload = verify_text(record.receipt, keys).payload
    except InvalidSignature:
        withdrawn = _of_revoked_key(record.receipt, revoked) is not None
        return VerificationResult(Finding.REVOKED if withdrawn else Finding.ALTERED)
    same = agrees(
        payload,
        student_id=record.student_id,
        form_number=record.form_number,
        code=record.code,
        accepted_at=record.accepted_at,
        facts=record.facts,
        waivers=record.waivers,
        replaces=record.replaces,
    )
    if not same or scan.receipt not in (None, record.receipt, *record.former_receipts):
        return VerificationResult(Finding.DIFFERS)
    return VerificationResult(Finding.GENUINE if scan.receipt else Finding.BY_NUMBER, student_of(payload))


def agrees(
    payload: Mapping[str, Any],
    *,
    student_id: str,
    form_number: str,
    code: str,
    accepted_at: datetime,
    facts: Mapping[str, Attested],
    waivers: Collection[Waiver] = (),
    replaces: str = "",
) -> bool:
    """Whether the record shows exactly what was signed."""
    student, departments = payload.get("student"), payload.get("departments")
    if not isinstance(student, Mapping) or not isinstance(departments, Mapping):
        return False
    signed = (student.get("student_id"), payload.get("form"), payload.get("code"), payload.get("accepted_at"))
    if signed != (student_id, form_number, code, instant(accepted_at)) or payload.get("replaces", "") != replaces:
        return False
    if departments.keys() != facts.keys():
        return False
    if payload.get("waived", {}) != signed_waivers(waivers):
        return False
    waived = {waiver.key for waiver in waivers}
    return all(
        _same_department(departments[name], attested, {check for department, check in waived if department == name})
        for name, attested in facts.items()
    )


def _same_department(signed: Any, attested: Attested, waived: Collection[str]) -> bool:
    at = instant(attested.attested_at) if attested.attested_at else None
    if (signed.get("version"), signed.get("attested_at")) != (attested.version, at):
        return False
    shown = {one.check: one for one in attested.checks}
    clear = all(one.verdict is Verdict.CLEAR or name in waived for name, one in shown.items())
    if not clear or signed.get("checks", {}).keys() != shown.keys():
        return False
    return all(stands_for(facts, shown[name].facts) for name, facts in signed["checks"].items())
