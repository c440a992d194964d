"""What the archives' desk does with a printed thesis: received, approved, returned. Pure."""

from pydantic import ConfigDict

from schemas.events import Reason
from services.archives.rules import ArchivesRecord, Thesis, assess
from services.kit.department.fields import ImportRow
from services.kit.department.rules import DepartmentRules, Operation
from services.kit.operations import OperationBody, Refused


class ThesisBody(OperationBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"student_id": "TS20260001"}]})


class ArchivesRow(ImportRow):
    """One row of an export: where one student's thesis stands. The same row again changes nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"student_id": "TS20260001", "state": "approved"}]})

    state: Thesis


def receive(record: ArchivesRecord, body: ThesisBody) -> tuple[ArchivesRecord, Reason]:
    if record.thesis is Thesis.APPROVED:
        raise Refused(Reason(code="thesis-already-approved"), remedy="To open it again, return it first.")
    return _with_thesis(record, Thesis.SUBMITTED), Reason(code="thesis-received")


def approve(record: ArchivesRecord, body: ThesisBody) -> tuple[ArchivesRecord, Reason]:
    _received(record)
    return _with_thesis(record, Thesis.APPROVED), Reason(code="thesis-approved")


def give_back(record: ArchivesRecord, body: ThesisBody) -> tuple[ArchivesRecord, Reason]:
    """Also takes an approval back. The student then has nothing in the archives, as at the beginning."""
    _received(record)
    return _with_thesis(record, Thesis.EMPTY), Reason(code="thesis-returned")


def apply_row(record: ArchivesRecord, row: ArchivesRow) -> tuple[ArchivesRecord, Reason]:
    return _with_thesis(record, row.state), Reason(code="row-imported")


def _received(record: ArchivesRecord) -> None:
    if record.thesis is Thesis.EMPTY:
        raise Refused(Reason(code="thesis-not-received"), remedy="Receive the thesis first.")


def _with_thesis(record: ArchivesRecord, thesis: Thesis) -> ArchivesRecord:
    return record if record.thesis is thesis else record.model_copy(update={"thesis": thesis})


RULES = DepartmentRules(
    name="archives",
    record=ArchivesRecord,
    assess=assess,
    operations=(
        Operation("received", "Receive the printed thesis", ThesisBody, receive),
        Operation("approved", "Approve the thesis", ThesisBody, approve),
        Operation("returned", "Send the thesis back: nothing is in the archives then", ThesisBody, give_back),
    ),
    import_row=ArchivesRow,
    apply_row=apply_row,
)
