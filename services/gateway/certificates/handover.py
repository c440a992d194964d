"""Whether certificates may be handed over for a form, and a hand-over undone. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from schemas.events import DocumentSeal, TakenBy
from schemas.issues import IssueRefusal
from services.gateway.read_model.types import OpenException, SubmissionRecord


class Outcome(StrEnum):
    ISSUED = "issued"
    UNDONE = "undone"
    PENDING = "pending"
    ELSEWHERE = "elsewhere"
    """Another desk, or another click, was first."""
    NEW_EXCEPTION = "new-exception"
    PROXY_NAMELESS = "proxy-nameless"
    PROXY_UNDOCUMENTED = "proxy-undocumented"
    DOCUMENT_MISTYPED = "document-mistyped"
    """A resident's number whose last character does not fit the others."""
    UNCONFIRMED = "unconfirmed"
    NO_REASON = "no-reason"
    VOID = "void"
    NOT_STANDING = "not-standing"
    """The hand-over to undo is no longer the newest, or is undone."""


@dataclass(frozen=True, slots=True)
class Handover:
    """`exceptions_seen` is the fingerprint of those on the clerk's page, None for a caller without one.

    `confirmed` names each that was checked.
    """

    command_id: UUID
    taken_by: TakenBy
    proxy_name: str = ""
    exceptions_seen: str | None = ""
    confirmed: frozenset[str] = frozenset()
    reason: str = ""
    document: DocumentSeal | None = None
    """What the proxy presented."""
    document_proof: str = ""
    """That it was sealed here."""
    defect: Outcome | None = None
    """Of the document, where one is kept."""


@dataclass(frozen=True, slots=True)
class Undo:
    """`of` is the command of the hand-over."""

    command_id: UUID
    of: UUID
    reason: str


def refusal(handover: Handover, record: SubmissionRecord) -> Outcome | None:
    """None if the clearance may decide, or has decided."""
    if record.submission.void is not None:
        return Outcome.VOID
    if record.issue is not None:
        return None
    if handover.taken_by is TakenBy.PROXY and not handover.proxy_name:
        return Outcome.PROXY_NAMELESS
    if handover.defect is not None:
        return handover.defect
    if record.exceptions and handover.exceptions_seen not in (None, fingerprint(record.exceptions)):
        return Outcome.NEW_EXCEPTION
    if {one.name for one in record.exceptions} - handover.confirmed:
        return Outcome.UNCONFIRMED
    if record.exceptions and not handover.reason:
        return Outcome.NO_REASON
    return None


def undo_refusal(undo: Undo, record: SubmissionRecord) -> Outcome | None:
    """As `refusal`."""
    if not undo.reason:
        return Outcome.NO_REASON
    if any(one.undo is not None and one.undo.command_id == undo.command_id for one in record.issues):
        return None
    if record.issue is None or record.issue.command_id != undo.of:
        return Outcome.NOT_STANDING
    return None


_REFUSED: Final[Mapping[str, Outcome]] = {
    IssueRefusal.VOID: Outcome.VOID,
    IssueRefusal.ALREADY_ISSUED: Outcome.ELSEWHERE,
    IssueRefusal.UNCONFIRMED: Outcome.NEW_EXCEPTION,
    IssueRefusal.NO_REASON: Outcome.NO_REASON,
    IssueRefusal.NOT_STANDING: Outcome.NOT_STANDING,
}


def outcome(record: SubmissionRecord, command_id: UUID, cause: str = "") -> Outcome:
    """Of a hand-over. `cause`: of the clearance's refusal, if it refused."""
    if cause:
        return _REFUSED.get(cause, Outcome.ELSEWHERE)
    if record.issue is not None:
        return Outcome.ISSUED if record.issue.command_id == command_id else Outcome.ELSEWHERE
    known = any(one.command_id == command_id for one in record.issues)
    return Outcome.NOT_STANDING if known else Outcome.PENDING


def undo_outcome(record: SubmissionRecord, command_id: UUID, cause: str = "") -> Outcome:
    if cause:
        return _REFUSED.get(cause, Outcome.NOT_STANDING)
    done = any(one.undo is not None and one.undo.command_id == command_id for one in record.issues)
    return Outcome.UNDONE if done else Outcome.PENDING


def fingerprint(exceptions: Sequence[OpenException]) -> str:
    """By which a page notices an exception opened after it."""
    names = sorted(one.name for one in exceptions)
    return sha256("\n".join(names).encode()).hexdigest()[:16]
