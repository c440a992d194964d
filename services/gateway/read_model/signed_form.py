"""What a signed form says, and whether the record beside it still says the same. Pure.

Signed are the student as the roster had them at the acceptance and each department's facts; a form whose facts would
not fit a QR code carries digests in place of its tables, or of all facts of a check.
"""

import hashlib
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from schemas.events import CaseState, Verdict
from services.gateway.read_model.types import Attested, Case
from services.kit.receipts.jws import canonical


def payload_of(receipt: str) -> dict[str, Any] | None:
    """What `receipt` says, without asking whether it is genuine; None when it cannot be read."""
    try:
        body = receipt.split(".")[1]
        payload = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def student_of(payload: Mapping[str, Any] | None) -> Case | None:
    """The student a form was signed for."""
    said = payload.get("student") if payload else None
    if not isinstance(said, Mapping):
        return None
    try:
        enrolled_on = date.fromisoformat(str(said.get("enrolled_on", "")))
    except ValueError:
        enrolled_on = None
    return Case(
        student_id=str(said.get("student_id", "")),
        version=0,
        state=CaseState.COMPLETED,
        name=str(said.get("name", "")),
        gender=str(said.get("gender", "")),
        grade=str(said.get("grade", "")),
        college=str(said.get("college", "")),
        major=str(said.get("major", "")),
        enrolled_on=enrolled_on,
        leave_category=str(said.get("leave_category", "")),
    )


def agrees(
    payload: Mapping[str, Any],
    *,
    student_id: str,
    form_number: str,
    code: str,
    accepted_at: datetime,
    facts: Mapping[str, Attested],
) -> bool:
    """Whether the published record is, in everything it shows, what was signed."""
    student, departments = payload.get("student"), payload.get("departments")
    if not isinstance(student, Mapping) or not isinstance(departments, Mapping):
        return False
    said = (student.get("student_id"), payload.get("form"), payload.get("code"), payload.get("accepted_at"))
    if said != (student_id, form_number, code, _instant(accepted_at)) or departments.keys() != facts.keys():
        return False
    return all(_same_department(departments[name], attested) for name, attested in facts.items())


def _same_department(signed: Any, attested: Attested) -> bool:
    at = _instant(attested.attested_at) if attested.attested_at else None
    if (signed.get("version"), signed.get("attested_at")) != (attested.version, at):
        return False
    shown = {one.check: one for one in attested.checks}
    clear = all(one.verdict is Verdict.CLEAR for one in shown.values())
    if not clear or signed.get("checks", {}).keys() != shown.keys():
        return False
    return all(_same_facts(facts, shown[name].facts) for name, facts in signed["checks"].items())


def _same_facts(signed: Mapping[str, Any], shown: Mapping[str, Any]) -> bool:
    if signed == shown or signed == {"sha256": _sha256(shown)}:
        return True
    return signed.keys() == shown.keys() and all(
        value == shown[name] or (isinstance(shown[name], list) and value == _table(shown[name]))
        for name, value in signed.items()
    )


def _table(rows: list[Any]) -> dict[str, Any]:
    return {"rows": len(rows), "sha256": _sha256({"rows": rows})}


def _sha256(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
