"""The signed payload of a form; facts are shortened where a QR code needs it. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.events import AttestationGiven
from services.clearance.roster.cases import Student
from services.kit.receipts.form_digest import SPELLINGS, Facts, instant
from services.kit.receipts.jws import Signer, sign
from services.kit.receipts.qr import MAX_QR_CHARS, pack
from services.kit.rules.waivers import Waiver, signed_waivers

FORMAT: Final = 1
_STUDENT: Final = (
    "student_id",
    "name",
    "gender",
    "college",
    "major",
    "grade",
    "enrolled_on",
    "leave_category",
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """`qr_text` is None if even digests do not fit a QR code, which is rare."""

    text: str
    qr_text: str | None

    @classmethod
    def of(cls, text: str) -> "Receipt":
        qr_text = pack(text)
        return cls(text, qr_text if len(qr_text) <= MAX_QR_CHARS else None)


def form_payload(
    *,
    form_number: str,
    code: str,
    attempt_id: UUID,
    accepted_at: datetime,
    student: Student,
    answers: Mapping[str, AttestationGiven],
    waivers: Iterable[Waiver] = (),
    replaces: str | None = None,
    former: Mapping[str, Mapping[str, AttestationGiven]] | None = None,
) -> dict[str, Any]:
    """A form without `waivers` has no such member. `replaces`: the number of the void form that this one stands for."""
    waived = signed_waivers(waivers)
    return {
        **({"waived": waived} if waived else {}),
        **({"replaces": replaces} if replaces else {}),
        **({"former": _former(former)} if former else {}),
        "v": FORMAT,
        "form": form_number,
        "code": code,
        "attempt": str(attempt_id),
        "accepted_at": instant(accepted_at),
        "student": {name: str(getattr(student, name)) for name in _STUDENT},
        "departments": {
            name: {
                "version": answer.version,
                "attested_at": instant(answer.attested_at),
                "checks": {check.check: dict(check.facts) for check in answer.checks},
            }
            for name, answer in answers.items()
        },
    }


def _former(former: Mapping[str, Mapping[str, AttestationGiven]]) -> dict[str, Any]:
    """Former number → department → version and instant: what was clear there needs no facts."""
    return {
        number: {
            name: {"version": answer.version, "attested_at": instant(answer.attested_at)}
            for name, answer in answers.items()
        }
        for number, answers in former.items()
    }


def submission_facts(answers: Mapping[str, AttestationGiven]) -> dict[str, Any]:
    """Department → version, instant and checks."""
    return {
        name: {
            "version": answer.version,
            "attested_at": instant(answer.attested_at),
            "checks": [check.model_dump(mode="json") for check in answer.checks],
        }
        for name, answer in answers.items()
    }


def sign_form(payload: Mapping[str, Any], signer: Signer) -> Receipt:
    text = ""
    for spell in SPELLINGS:
        text = sign(_with_facts(payload, spell), signer)
        receipt = Receipt.of(text)
        if receipt.qr_text is not None:
            return receipt
    return Receipt(text, None)


def _with_facts(payload: Mapping[str, Any], spell: Callable[[Facts], Facts]) -> Mapping[str, Any]:
    departments = {
        name: {**attested, "checks": {check: spell(facts) for check, facts in attested["checks"].items()}}
        for name, attested in payload["departments"].items()
    }
    return {**payload, "departments": departments}
