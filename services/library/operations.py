"""The library as the kit runs it: the desks' operations, the import row of a library whose own system is the master."""

from decimal import Decimal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from schemas.events import Reason
from services.kit.department.fields import Amount, Day, ImportRow, ItemId, Line, Money, yuan
from services.kit.department.rules import DepartmentRules
from services.kit.operations import Refused
from services.library import lending, thesis
from services.library.rules import Card, Fine, LibraryRecord, Loan, Thesis, assess


class LibraryRow(ImportRow):
    """One row of an export: the card and the thesis if given, and at most one loan and one fine to update.

    A row says how things stand, so it may say what a desk could not do (a loan on a cancelled card). Amounts are
    totals, not increments. The same row again changes nothing; what no row speaks of stays as it is.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"student_id": "TS20260001", "card": "active", "thesis": "submitted"},
                {
                    "student_id": "TS20260001",
                    "loan_barcode": "B0042871",
                    "loan_title": "矿山压力",
                    "loan_due_on": "2026-06-20",
                },
                {"student_id": "TS20260001", "loan_barcode": "B0042871", "loan_returned": "yes"},
                {"student_id": "TS20260001", "fine_id": "F-1207", "fine_amount": "3.50", "fine_paid": "3.50"},
            ]
        }
    )

    card: Card | None = None
    thesis: Thesis | None = None
    loan_barcode: ItemId | None = None
    loan_returned: bool = False
    loan_title: Line | None = Field(default=None, validate_default=True)
    loan_due_on: Day | None = Field(default=None, validate_default=True)
    fine_id: ItemId | None = None
    fine_amount: Amount | None = Field(default=None, validate_default=True)
    fine_paid: Money | None = None

    @field_validator("loan_title", "loan_due_on")
    @classmethod
    def _a_loan_is_complete(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.data.get("loan_barcode") and not info.data.get("loan_returned"):
            raise ValueError("a loan that is not returned needs its title and its due date")
        if value is not None and "loan_barcode" in info.data and info.data["loan_barcode"] is None:
            raise ValueError("a loan needs its loan_barcode")
        return value

    @field_validator("fine_amount", "fine_paid")
    @classmethod
    def _a_fine_is_complete(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        known = info.data.get("fine_id")
        if value is None and known and info.field_name == "fine_amount":
            raise ValueError("a fine needs its amount")
        if value is not None and "fine_id" in info.data and known is None:
            raise ValueError("a fine needs its fine_id")
        amount = info.data.get("fine_amount")
        if value is not None and amount is not None and value > amount:
            raise ValueError("more was paid than the fine's amount")
        return value


def apply_row(record: LibraryRecord, row: LibraryRow) -> tuple[LibraryRecord, Reason]:
    """The record as the row says it is; the very same record when the row says nothing new."""
    if row.card is not None:
        record = lending.with_card(record, row.card)
    if row.thesis is not None:
        record = thesis.with_thesis(record, row.thesis)
    return _with_fine(_with_loan(record, row), row), Reason(code="row-imported")


def _with_loan(record: LibraryRecord, row: LibraryRow) -> LibraryRecord:
    known = next((loan for loan in record.loans if loan.barcode == row.loan_barcode), None)
    if row.loan_returned and known is not None:
        return record.model_copy(update={"loans": tuple(loan for loan in record.loans if loan is not known)})
    if row.loan_returned or row.loan_barcode is None or row.loan_title is None or row.loan_due_on is None:
        return record
    loan = Loan(barcode=row.loan_barcode, title=row.loan_title, due_on=row.loan_due_on)
    if loan == known:
        return record
    loans = lending.exchanged(record.loans, known, loan) if known else lending.added(record.loans, loan)
    return record.model_copy(update={"loans": loans})


def _with_fine(record: LibraryRecord, row: LibraryRow) -> LibraryRecord:
    if row.fine_id is None or row.fine_amount is None:
        return record
    known = next((fine for fine in record.fines if fine.fine_id == row.fine_id), None)
    before = known or Fine(fine_id=row.fine_id, amount=row.fine_amount)
    paid = before.paid if row.fine_paid is None else row.fine_paid
    if paid > row.fine_amount:
        reason = Reason(code="amount-below-paid", parameters={"paid": yuan(paid)})
        raise Refused(reason, field="fine_amount", remedy="Correct the amount, or send fine_paid with it.")
    fine = before.model_copy(update={"amount": row.fine_amount, "paid": paid})
    if fine == known:
        return record
    fines = lending.exchanged(record.fines, known, fine) if known else lending.added(record.fines, fine)
    return record.model_copy(update={"fines": fines})


RULES = DepartmentRules(
    name="library",
    record=LibraryRecord,
    assess=assess,
    operations=(*lending.OPERATIONS, *thesis.OPERATIONS),
    import_row=LibraryRow,
    apply_row=apply_row,
    commands={"cancel-card": lending.cancel_card},
)
