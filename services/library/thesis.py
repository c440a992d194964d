"""What the thesis desk does: a thesis is received, reviewed, returned for changes, approved. Pure."""

from pydantic import ConfigDict

from schemas.events import Reason
from services.kit.department.rules import Operation
from services.kit.operations import OperationBody, Refused
from services.library.rules import LibraryRecord, Thesis


class ThesisBody(OperationBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"student_id": "TS20260001"}]})


_IN_HAND = (Thesis.SUBMITTED, Thesis.IN_REVIEW, Thesis.APPROVED)


def receive(record: LibraryRecord, body: ThesisBody) -> tuple[LibraryRecord, Reason]:
    _not_approved(record)
    if record.thesis is Thesis.IN_REVIEW:
        raise Refused(Reason(code="thesis-under-review"), remedy="Finish the review, or return the thesis for changes.")
    return with_thesis(record, Thesis.SUBMITTED), Reason(code="thesis-received")


def review(record: LibraryRecord, body: ThesisBody) -> tuple[LibraryRecord, Reason]:
    _not_approved(record)
    _in_hand(record)
    return with_thesis(record, Thesis.IN_REVIEW), Reason(code="thesis-in-review")


def give_back(record: LibraryRecord, body: ThesisBody) -> tuple[LibraryRecord, Reason]:
    """Also takes an approval back: a fault is sometimes found after it."""
    if record.thesis is not Thesis.RETURNED:
        _in_hand(record)
    return with_thesis(record, Thesis.RETURNED), Reason(code="thesis-returned")


def approve(record: LibraryRecord, body: ThesisBody) -> tuple[LibraryRecord, Reason]:
    """From `submitted` too: a short review is not always noted as begun."""
    _in_hand(record)
    return with_thesis(record, Thesis.APPROVED), Reason(code="thesis-approved")


def with_thesis(record: LibraryRecord, thesis: Thesis) -> LibraryRecord:
    return record if record.thesis is thesis else record.model_copy(update={"thesis": thesis})


def _in_hand(record: LibraryRecord) -> None:
    if record.thesis not in _IN_HAND:
        raise Refused(Reason(code="thesis-not-received"), remedy="Receive the thesis first.")


def _not_approved(record: LibraryRecord) -> None:
    if record.thesis is Thesis.APPROVED:
        raise Refused(Reason(code="thesis-already-approved"), remedy="To open it again, return it for changes.")


OPERATIONS = (
    Operation("thesis-received", "Receive a thesis, the first time or after changes", ThesisBody, receive),
    Operation("thesis-in-review", "Begin the review", ThesisBody, review),
    Operation("thesis-returned", "Return the thesis for changes", ThesisBody, give_back),
    Operation("thesis-approved", "Approve the thesis", ThesisBody, approve),
)
