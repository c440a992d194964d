"""The form that an acceptance carries, read back: whether it is what was signed, and what it rests on. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from schemas.codec import Unreadable
from schemas.events import (
    AcceptedForm,
    AttestationGiven,
    AttestationOutcome,
    AttestedFacts,
    SubmissionAccepted,
)
from services.kit.receipts.form_digest import instant
from services.kit.receipts.jws import Form
from services.kit.rules.waivers import Waiver, WaiverKind, signed_waivers


def difference(event: SubmissionAccepted, form: AcceptedForm, signed: Form) -> str | None:
    """Why the event does not say what was signed; None if it does. Raises `Unreadable`."""
    said: Mapping[str, Any] = {
        "form": event.form_number,
        "attempt": str(event.attempt_id),
        "accepted_at": instant(event.accepted_at),
        "departments": _versions(form.facts),
        "former": {number: _versions(of) for number, of in form.former.items()},
        "waived": signed_waivers(waivers_of(form)),
        "student": {name: str(form.student.get(name)) for name in signed.payload["student"]},
    }
    payload = signed.payload
    was: Mapping[str, Any] = {
        **{name: payload.get(name) for name in ("form", "attempt", "accepted_at", "student")},
        "departments": _signed_versions(payload["departments"]),
        "former": {number: _signed_versions(of) for number, of in payload.get("former", {}).items()},
        "waived": payload.get("waived", {}),
    }
    wrong = sorted(name for name in said if said[name] != was[name])
    if event.student_id != payload["student"].get("student_id"):
        wrong.append("student_id")
    return f"form: it was not signed so: {', '.join(wrong)}" if wrong else None


def _versions(facts: Mapping[str, AttestedFacts]) -> dict[str, tuple[int, str]]:
    return {name: (given.version, instant(given.attested_at)) for name, given in facts.items()}


def _signed_versions(departments: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    return {name: (given["version"], given["attested_at"]) for name, given in departments.items()}


def waivers_of(form: AcceptedForm) -> tuple[Waiver, ...]:
    """Raises `Unreadable` for a kind that this release does not know, or a day that is none."""
    try:
        return tuple(
            Waiver(
                department=one.department,
                check=one.check,
                kind=WaiverKind(one.kind),
                reason=one.reason,
                reason_en=one.reason_en,
                until=date.fromisoformat(one.until) if one.until else None,
            )
            for one in form.waivers
        )
    except ValueError:
        raise Unreadable("form.waivers: an unknown kind, or a day that is none") from None


def answers_of(attempt_id: UUID, student_id: str, facts: Mapping[str, AttestedFacts]) -> dict[str, AttestationGiven]:
    """By department."""
    return {
        name: AttestationGiven(
            attempt_id=attempt_id,
            student_id=student_id,
            department=name,
            outcome=AttestationOutcome.CLEAR,
            version=given.version,
            checks=given.checks,
            attested_at=given.attested_at,
        )
        for name, given in facts.items()
    }
