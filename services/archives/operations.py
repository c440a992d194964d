"""The archives' desk: receive, approve or return a printed thesis. Pure."""

from typing import Final

from schemas.events import Reason
from services.kit.operations import OperationBody, Refused, Remedy
from services.kit.rules.department_rules import DepartmentRules, Operation
from services.kit.rules.evidence import item
from services.kit.rules.reasons import Cause, Refusal
from services.kit.rules.undo import Undo

from .import_row import ArchivesRow, apply_row
from .rules import ArchivesRecord, Thesis, assess

RECEIVED: Final = Cause("thesis-received")
APPROVED: Final = Cause("thesis-approved")
RETURNED: Final = Cause("thesis-returned")
ALREADY_APPROVED: Final = Refusal("thesis-already-approved")
NOT_RECEIVED: Final = Refusal("thesis-not-received")


class ThesisBody(OperationBody):
    pass


def receive(record: ArchivesRecord, body: ThesisBody) -> tuple[ArchivesRecord, Reason]:
    if record.thesis is Thesis.APPROVED:
        raise Refused(
            ALREADY_APPROVED(), remedy=Remedy("如需重新审核，请先退回。", "To open it again, return it first.")
        )
    return record.updated(thesis=Thesis.SUBMITTED), RECEIVED()


def approve(record: ArchivesRecord, body: ThesisBody) -> tuple[ArchivesRecord, Reason]:
    _require_received(record)
    return record.updated(thesis=Thesis.APPROVED), APPROVED()


def return_thesis(record: ArchivesRecord, body: ThesisBody) -> tuple[ArchivesRecord, Reason]:
    """Also revokes an approval; the record is then empty again."""
    _require_received(record)
    return record.updated(thesis=Thesis.EMPTY), RETURNED()


def _require_received(record: ArchivesRecord) -> None:
    if record.thesis is Thesis.EMPTY:
        raise Refused(NOT_RECEIVED(), remedy=Remedy("请先登记收到论文。", "Receive the thesis first."))


_THESIS: Final[Undo[ArchivesRecord]] = Undo("thesis")

RULES = DepartmentRules(
    __name__,
    record=ArchivesRecord,
    assess=assess,
    operations=(
        Operation("received", "Receive the printed thesis", ThesisBody, receive, undo=_THESIS),
        Operation("approved", "Approve the thesis", ThesisBody, approve, undo=_THESIS),
        Operation("returned", "Return the thesis to the student", ThesisBody, return_thesis, undo=_THESIS),
    ),
    import_row=ArchivesRow,
    apply_row=apply_row,
    items=lambda fields: item("thesis", "state"),
)
