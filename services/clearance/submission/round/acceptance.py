"""The submission that an acceptance makes."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from schemas.events import AttestationGiven
from services.clearance.receipts.payload import form_payload, sign_form, submission_facts
from services.clearance.roster.cases import Student
from services.clearance.submission.submission_store import Position, Submission
from services.kit.receipts.jws import Signer
from services.kit.receipts.numbers import CODES, NUMBERS, form_number, verification_code
from services.kit.rules.waivers import Waiver


def signed_submission(
    signer: Signer,
    student: Student,
    position: Position,
    attempt_id: UUID,
    answers: Mapping[str, AttestationGiven],
    waivers: Iterable[Waiver],
    accepted_at: datetime,
    zone: ZoneInfo,
    *,
    former: Mapping[str, Mapping[str, AttestationGiven]],
) -> Submission:
    """Signing may block. The form number has the year of `accepted_at` in `zone`."""
    number = form_number(accepted_at.astimezone(zone).year, secrets.randbelow(NUMBERS))
    code = verification_code(secrets.randbelow(CODES))
    payload = form_payload(
        form_number=number,
        code=code,
        attempt_id=attempt_id,
        accepted_at=accepted_at,
        student=student,
        answers=answers,
        waivers=waivers,
        replaces=position.replaces,
        former=former,
    )
    return Submission(
        student=student,
        position=position,
        attempt_id=attempt_id,
        form_number=number,
        code=code,
        accepted_at=accepted_at,
        facts=submission_facts(answers),
        former={number: submission_facts(given) for number, given in former.items()},
        receipt=sign_form(payload, signer),
        kid=signer.kid,
    )
