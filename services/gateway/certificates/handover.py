"""Whether certificates may be handed over for a form. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from schemas.events import TakenBy
from services.gateway.read_model.types import OpenException, SubmissionRecord


class Outcome(StrEnum):
    ISSUED = "issued"
    PENDING = "pending"
    ELSEWHERE = "elsewhere"
    """Another desk, or another click, was first."""
    NEW_EXCEPTION = "new-exception"
    PROXY_NAMELESS = "proxy-nameless"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Handover:
    """`exceptions_seen` is the fingerprint of those on the clerk's page."""

    command_id: UUID
    taken_by: TakenBy
    proxy_name: str = ""
    exceptions_seen: str = ""
    confirmed: bool = False
    """Although an exception is open."""


def refusal(handover: Handover, record: SubmissionRecord) -> Outcome | None:
    """None if the clearance may decide, or has decided."""
    if record.issue is not None:
        return None
    if handover.taken_by is TakenBy.PROXY and not handover.proxy_name:
        return Outcome.PROXY_NAMELESS
    if record.exceptions and handover.exceptions_seen != fingerprint(record.exceptions):
        return Outcome.NEW_EXCEPTION
    if record.exceptions and not handover.confirmed:
        return Outcome.UNCONFIRMED
    return None


def outcome(record: SubmissionRecord, command_id: UUID) -> Outcome:
    if record.issue is None:
        return Outcome.PENDING
    return Outcome.ISSUED if record.issue.command_id == command_id else Outcome.ELSEWHERE


def fingerprint(exceptions: Sequence[OpenException]) -> str:
    """By which a page notices an exception opened after it."""
    names = sorted(f"{one.department} {one.version}" for one in exceptions)
    return sha256("\n".join(names).encode()).hexdigest()[:16]
