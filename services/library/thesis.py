"""The library's thesis desk: receive, review, return or approve. Pure; repeats change nothing."""

from typing import Final

from schemas.events import Reason
from services.kit.operations import OperationBody, Refused, Remedy
from services.kit.rules.reasons import Cause, Refusal

from .rules import LibraryRecord, Thesis

THESIS_RECEIVED: Final = Cause("thesis-received")
THESIS_IN_REVIEW: Final = Cause("thesis-in-review")
THESIS_RETURNED: Final = Cause("thesis-returned")
THESIS_APPROVED: Final = Cause("thesis-approved")

THESIS_NOT_RECEIVED: Final = Refusal("thesis-not-received")
THESIS_UNDER_REVIEW: Final = Refusal("thesis-under-review")
THESIS_ALREADY_APPROVED: Final = Refusal("thesis-already-approved")

_HANDED_IN: Final = (Thesis.SUBMITTED, Thesis.IN_REVIEW, Thesis.APPROVED)


class ThesisBody(OperationBody):
    pass


def receive_thesis(record: LibraryRecord, body: ThesisBody) -> tuple[LibraryRecord, Reason]:
    _require_not_approved(record)
    if record.thesis is Thesis.IN_REVIEW:
        raise Refused(
            THESIS_UNDER_REVIEW(),
            remedy=Remedy("请先完成审核，或退回修改。", "Finish the review, or return the thesis for changes."),
        )
    return record.updated(thesis=Thesis.SUBMITTED), THESIS_RECEIVED()


def review_thesis(record: LibraryRecord, body: ThesisBody) -> tuple[LibraryRecord, Reason]:
    _require_not_approved(record)
    _require_handed_in(record)
    return record.updated(thesis=Thesis.IN_REVIEW), THESIS_IN_REVIEW()


def return_thesis(record: LibraryRecord, body: ThesisBody) -> tuple[LibraryRecord, Reason]:
    """Also revokes an approval."""
    if record.thesis is not Thesis.RETURNED:
        _require_handed_in(record)
    return record.updated(thesis=Thesis.RETURNED), THESIS_RETURNED()


def approve_thesis(record: LibraryRecord, body: ThesisBody) -> tuple[LibraryRecord, Reason]:
    """From `submitted` too: short reviews are not always recorded."""
    _require_handed_in(record)
    return record.updated(thesis=Thesis.APPROVED), THESIS_APPROVED()


def _require_handed_in(record: LibraryRecord) -> None:
    if record.thesis not in _HANDED_IN:
        raise Refused(THESIS_NOT_RECEIVED(), remedy=Remedy("请先登记收到论文。", "Receive the thesis first."))


def _require_not_approved(record: LibraryRecord) -> None:
    if record.thesis is Thesis.APPROVED:
        raise Refused(
            THESIS_ALREADY_APPROVED(),
            remedy=Remedy("如需重新审核，请先退回修改。", "To open it again, return it for changes."),
        )
