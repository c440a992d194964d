"""One row of the library's export: card and thesis if given, and at most one loan and one fine. Pure.

For a library whose own system is the master. A row states how things are, so it may state what the desk could not do
(a loan on a cancelled card). Amounts are totals, not increments; a fine lowered to zero, or paid beyond its amount, is
how things stand.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from pydantic import Field, ValidationInfo, field_validator

from services.kit.rules.bills import require_no_negative
from services.kit.rules.collections import find_by_key, replace_by_key, require_one_item
from services.kit.rules.evidence import item
from services.kit.rules.fields import Day, ImportRow, ItemId, Line, SignedMoney

from .rules import MAX_ITEMS, Card, Fine, LibraryRecord, Loan, Thesis

BORROWING: Final = frozenset({"borrowing"})
THESIS: Final = frozenset({"thesis"})
CARD_ITEM: Final = item("card", "state")
THESIS_ITEM: Final = item("thesis", "state")


class LibraryRow(ImportRow):
    """What the row leaves empty stays as it is."""

    card: Card | None = None
    thesis: Thesis | None = None
    loan_barcode: ItemId | None = None
    loan_returned: bool = False
    loan_title: Line | None = Field(default=None, validate_default=True)
    loan_due_on: Day | None = Field(default=None, validate_default=True)
    fine_id: ItemId | None = None
    fine_amount: SignedMoney | None = Field(default=None, validate_default=True)
    fine_paid: SignedMoney | None = None

    @field_validator("loan_title", "loan_due_on")
    @classmethod
    def _a_loan_is_complete(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.data.get("loan_barcode") and not info.data.get("loan_returned"):
            raise ValueError(
                "未归还的借阅要有题名和应还日期。 A loan that is not returned needs its title and its due date."
            )
        if value is not None and "loan_barcode" in info.data and info.data["loan_barcode"] is None:
            raise ValueError("借阅要有条码号。 A loan needs its barcode.")
        return value

    @field_validator("fine_amount", "fine_paid")
    @classmethod
    def _a_fine_is_complete(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        fine_id = info.data.get("fine_id")
        if value is None and fine_id and info.field_name == "fine_amount":
            raise ValueError("罚款要有金额。 A fine needs its amount.")
        if value is not None and "fine_id" in info.data and fine_id is None:
            raise ValueError("罚款要有编号。 A fine needs its id.")
        return value


def row_checks(row: LibraryRow) -> frozenset[str]:
    """A row may speak of the thesis alone, or of borrowing alone."""
    borrowing = row.card is not None or row.loan_barcode is not None or row.fine_id is not None
    return (BORROWING if borrowing else frozenset()) | (THESIS if row.thesis is not None else frozenset())


def file_checks(fields: frozenset[str]) -> frozenset[str]:
    """A list of loans alone says nothing of fines."""
    borrowing = fields >= {"loan_barcode", "fine_id"}
    return (BORROWING if borrowing else frozenset()) | (THESIS if "thesis" in fields else frozenset())


def row_items(fields: Mapping[str, Any]) -> frozenset[str]:
    """Of a row, or of a desk operation's body; empty for a row with a loan or fine that it does not name."""
    nameless_loan = (fields.get("loan_title") or fields.get("loan_due_on")) and not fields.get("loan_barcode")
    nameless_fine = (fields.get("fine_amount") or fields.get("fine_paid")) and not fields.get("fine_id")
    if nameless_loan or nameless_fine:
        return frozenset()
    return (
        item("loan", fields.get("loan_barcode") or fields.get("barcode"))
        | item("fine", fields.get("fine_id"))
        | item("violation", fields.get("violation_id"))
        | (CARD_ITEM if fields.get("card") else frozenset())
        | (THESIS_ITEM if fields.get("thesis") else frozenset())
    )


def row_without(row: LibraryRow, items: frozenset[str]) -> LibraryRow:
    left_out: dict[str, Any] = {}
    if item("loan", row.loan_barcode) <= items:
        left_out |= {"loan_barcode": None, "loan_title": None, "loan_due_on": None, "loan_returned": False}
    if item("fine", row.fine_id) <= items:
        left_out |= {"fine_id": None, "fine_amount": None, "fine_paid": None}
    if items >= CARD_ITEM:
        left_out["card"] = None
    if items >= THESIS_ITEM:
        left_out["thesis"] = None
    return row.model_copy(update=left_out)


def apply_row(record: LibraryRecord, row: LibraryRow) -> LibraryRecord:
    require_no_negative(row, "fine_amount", "fine_paid")
    return record.updated(
        card=row.card or record.card,
        thesis=row.thesis or record.thesis,
        loans=_loans(record, row),
        fines=_fines(record, row),
    )


def _loans(record: LibraryRecord, row: LibraryRow) -> tuple[Loan, ...]:
    if row.loan_returned:
        returned = find_by_key(record.loans, barcode=row.loan_barcode or "")
        if returned is not None and row.loan_barcode is not None and row.loan_title is not None:
            named = returned.model_copy(update={"barcode": row.loan_barcode, "title": row.loan_title})
            require_one_item(record.loans, named, "barcode", "title")
        return tuple(loan for loan in record.loans if loan is not returned)
    if row.loan_barcode is None or row.loan_title is None or row.loan_due_on is None:
        return record.loans
    loan = Loan(barcode=row.loan_barcode, title=row.loan_title, due_on=row.loan_due_on)
    require_one_item(record.loans, loan, "barcode", "title")
    return replace_by_key(record.loans, loan, "barcode", limit=MAX_ITEMS)


def _fines(record: LibraryRecord, row: LibraryRow) -> tuple[Fine, ...]:
    if row.fine_id is None or row.fine_amount is None:
        return record.fines
    known = find_by_key(record.fines, fine_id=row.fine_id) or Fine(fine_id=row.fine_id, amount=row.fine_amount)
    paid = known.paid if row.fine_paid is None else row.fine_paid
    require_one_item(record.fines, Fine(fine_id=row.fine_id, amount=row.fine_amount), "fine_id", "amount")
    fine = known.changed(amount=row.fine_amount, paid=paid)
    return replace_by_key(record.fines, fine, "fine_id", limit=MAX_ITEMS)
