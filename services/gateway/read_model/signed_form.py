"""What a signed form says, and whether the record beside it still says the same. Pure.

Signed are the student as the roster had them at the acceptance and each department's facts; a form whose facts would
not fit a QR code carries digests in place of its tables, or of all facts of a check.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import date
from typing import Any

from schemas.events import CaseState
from services.gateway.read_model.types import Case


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
