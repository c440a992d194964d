"""A signed form's content. Pure."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import date
from typing import Any

from schemas.events import CaseState
from services.gateway.read_model.types import Case


def payload_of(receipt: str) -> dict[str, Any] | None:
    """Unverified; None if undecodable."""
    try:
        body = receipt.split(".")[1]
        payload = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def student_of(payload: Mapping[str, Any] | None) -> Case | None:
    signed = payload.get("student") if payload else None
    if not isinstance(signed, Mapping):
        return None
    try:
        enrolled_on = date.fromisoformat(str(signed.get("enrolled_on", "")))
    except ValueError:
        enrolled_on = None
    return Case(
        student_id=str(signed.get("student_id", "")),
        version=0,
        state=CaseState.COMPLETED,
        name=str(signed.get("name", "")),
        gender=str(signed.get("gender", "")),
        grade=str(signed.get("grade", "")),
        college=str(signed.get("college", "")),
        major=str(signed.get("major", "")),
        enrolled_on=enrolled_on,
        leave_category=str(signed.get("leave_category", "")),
    )
