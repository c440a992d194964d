"""The library's desks, and its rules as a whole. Pure; repeats change nothing."""

from typing import Final

from schemas.events import Reason
from services.kit.operations import ItemBody, OperationBody, Refused, Remedy
from services.kit.rules import bills
from services.kit.rules.bills import CorrectionBody, RefundBody, SettlementBody
from services.kit.rules.collections import find_by_key, replace_by_key, spelled_as
from services.kit.rules.department_rules import DepartmentRules, HolderOperation, Operation
from services.kit.rules.evidence import item
from services.kit.rules.fields import Amount, Day, ItemId, Line, yuan
from services.kit.rules.reasons import Cause, Refusal
from services.kit.rules.undo import Undo

from .import_row import (
    BORROWING,
    CARD_ITEM,
    THESIS,
    THESIS_ITEM,
    LibraryRow,
    apply_row,
    file_checks,
    row_checks,
    row_items,
    row_without,
)
from .rules import MAX_ITEMS, Card, Fine, LibraryRecord, Loan, Violation, assess
from .thesis import ThesisBody, approve_thesis, receive_thesis, return_thesis, review_thesis

BOOK_LENT: Final = Cause("book-lent", "title")
BOOK_RETURNED: Final = Cause("book-returned", "title")
FINE_ADDED: Final = Cause("fine-added", "amount")
FINE_PAID: Final = Cause("fine-paid", "amount")
FINE_REFUNDED: Final = Cause("fine-refunded", "amount")
FINE_CORRECTED: Final = Cause("fine-corrected", "amount")
VIOLATION_ADDED: Final = Cause("violation-added")
VIOLATION_SETTLED: Final = Cause("violation-settled")
CARD_ISSUED: Final = Cause("card-issued")
CARD_CANCELLED: Final = Cause("card-cancelled")

LOAN_EXISTS: Final = Refusal("loan-exists")
LOAN_UNKNOWN: Final = Refusal("loan-unknown")
LOAN_ELSEWHERE: Final = Refusal("loan-elsewhere")
COPY_NOT_LENT: Final = Refusal("copy-not-lent")
COPY_LENT_TWICE: Final = Refusal("copy-lent-twice")
LOAN_ON_CANCELLED_CARD: Final = Refusal("loan-on-cancelled-card")
FINE_EXISTS: Final = Refusal("fine-exists")
FINE_UNKNOWN: Final = Refusal("fine-unknown")
VIOLATION_EXISTS: Final = Refusal("violation-exists")
VIOLATION_UNKNOWN: Final = Refusal("violation-unknown")
CARD_NONE: Final = Refusal("card-none")
CARD_STILL_NEEDED: Final = Refusal("card-still-needed", "count", "amount", "violations")


class LoanBody(OperationBody):
    barcode: ItemId
    title: Line
    due_on: Day


class ReturnBody(OperationBody):
    barcode: ItemId


class BarcodeBody(ItemBody):
    barcode: ItemId


class FineBody(OperationBody):
    fine_id: ItemId
    text: Line | None = None
    amount: Amount


class FinePayment(SettlementBody):
    fine_id: ItemId


class FineRefund(RefundBody):
    fine_id: ItemId


class FineCorrection(CorrectionBody):
    fine_id: ItemId


class ViolationBody(OperationBody):
    violation_id: ItemId
    text: Line


class SettleViolationBody(OperationBody):
    violation_id: ItemId


class CardBody(OperationBody):
    pass


def lend(record: LibraryRecord, body: LoanBody) -> tuple[LibraryRecord, Reason]:
    cause = BOOK_LENT(title=body.title)
    loan = Loan(barcode=body.barcode, title=body.title, due_on=body.due_on)
    known = find_by_key(record.loans, barcode=body.barcode)
    if known is not None and known == spelled_as(known, loan, "barcode"):
        return record, cause
    if known is not None:
        raise Refused(
            LOAN_EXISTS(),
            field="barcode",
            remedy=Remedy("请先归还，再借出。", "Return the book first, then lend it again."),
        )
    _require_card(record)
    return record.updated(loans=replace_by_key(record.loans, loan, "barcode", limit=MAX_ITEMS)), cause


def _require_card(record: LibraryRecord) -> None:
    if record.card is Card.CANCELLED:
        raise Refused(LOAN_ON_CANCELLED_CARD(), remedy=Remedy("请先重新办证。", "Issue the card again first."))
    if record.card is Card.NONE:
        raise Refused(
            CARD_NONE(), remedy=Remedy("请先办证，或更正记录。", "Issue a card first, or correct the record.")
        )


def _lent_to_another(body: LoanBody | None = None) -> Refused:
    remedy = Remedy(
        "请先归还：按条码归还会找到借书人。", "Return it first; return-by-barcode finds the student who has it."
    )
    return Refused(LOAN_ELSEWHERE(), field="barcode", remedy=remedy)


def _not_with_one_student(holders: int) -> Refused:
    if holders == 0:
        remedy = Remedy("请核对条码号。", "Check the barcode.")
        return Refused(COPY_NOT_LENT(), field="barcode", remedy=remedy)
    remedy = Remedy("请按学号归还，并核对另一条借阅。", "Return it by student number, and check the other loan.")
    return Refused(COPY_LENT_TWICE(), field="barcode", remedy=remedy)


def holdings(record: LibraryRecord) -> frozenset[str]:
    """A copy is with one student at a time."""
    return frozenset().union(*(item("loan", loan.barcode) for loan in record.loans))


def return_book(record: LibraryRecord, body: ReturnBody | BarcodeBody) -> tuple[LibraryRecord, Reason]:
    loan = find_by_key(record.loans, barcode=body.barcode)
    if loan is None:
        raise Refused(
            LOAN_UNKNOWN(),
            field="barcode",
            remedy=Remedy("请核对条码号和学号。", "Check the barcode and the student number."),
        )
    remaining = tuple(other for other in record.loans if other is not loan)
    return record.updated(loans=remaining), BOOK_RETURNED(title=loan.title)


_LOAN: Final[Undo[LibraryRecord]] = Undo("loans", ("barcode",))
_RETURN: Final = Undo("loans", ("barcode",), allowed=_require_card, taken=_lent_to_another)
_FINE: Final[Undo[LibraryRecord]] = Undo("fines", ("fine_id",))
_VIOLATION: Final[Undo[LibraryRecord]] = Undo("violations", ("violation_id",))
_CARD: Final[Undo[LibraryRecord]] = Undo("card")
_THESIS: Final[Undo[LibraryRecord]] = Undo("thesis")


def fine(record: LibraryRecord, body: FineBody) -> tuple[LibraryRecord, Reason]:
    known = find_by_key(record.fines, fine_id=body.fine_id)
    if known is not None and (known.text, known.amount) != (body.text, body.amount):
        raise Refused(FINE_EXISTS(), field="fine_id", remedy=Remedy("请换一个罚款编号。", "Use a new fine_id."))
    new = known or Fine(fine_id=body.fine_id, text=body.text, amount=body.amount)
    return _with_fine(record, new), FINE_ADDED(amount=yuan(body.amount))


def pay(record: LibraryRecord, body: FinePayment) -> tuple[LibraryRecord, Reason]:
    paid = bills.pay(_find_fine(record, body.fine_id), body)
    return _with_fine(record, paid), FINE_PAID(amount=yuan(body.amount))


def refund(record: LibraryRecord, body: FineRefund) -> tuple[LibraryRecord, Reason]:
    refunded = bills.refund(_find_fine(record, body.fine_id), body.amount)
    return _with_fine(record, refunded), FINE_REFUNDED(amount=yuan(body.amount))


def correct_fine(record: LibraryRecord, body: FineCorrection) -> tuple[LibraryRecord, Reason]:
    corrected = _find_fine(record, body.fine_id).changed(amount=body.amount)
    return _with_fine(record, corrected), FINE_CORRECTED(amount=yuan(body.amount))


def _find_fine(record: LibraryRecord, fine_id: str) -> Fine:
    known = find_by_key(record.fines, fine_id=fine_id)
    if known is None:
        raise Refused(
            FINE_UNKNOWN(),
            field="fine_id",
            remedy=Remedy("请核对罚款编号和学号。", "Check the fine_id and the student number."),
        )
    return known


def _with_fine(record: LibraryRecord, fine: Fine) -> LibraryRecord:
    return record.updated(fines=replace_by_key(record.fines, fine, "fine_id", limit=MAX_ITEMS))


def add_violation(record: LibraryRecord, body: ViolationBody) -> tuple[LibraryRecord, Reason]:
    known = find_by_key(record.violations, violation_id=body.violation_id)
    if known is not None and known.text != body.text:
        raise Refused(
            VIOLATION_EXISTS(), field="violation_id", remedy=Remedy("请换一个违章编号。", "Use a new violation_id.")
        )
    new = known or Violation(violation_id=body.violation_id, text=body.text)
    return _with_violation(record, new), VIOLATION_ADDED()


def settle_violation(record: LibraryRecord, body: SettleViolationBody) -> tuple[LibraryRecord, Reason]:
    known = find_by_key(record.violations, violation_id=body.violation_id)
    if known is None:
        raise Refused(
            VIOLATION_UNKNOWN(), field="violation_id", remedy=Remedy("请核对违章编号。", "Check the violation_id.")
        )
    return _with_violation(record, known.model_copy(update={"settled": True})), VIOLATION_SETTLED()


def _with_violation(record: LibraryRecord, violation: Violation) -> LibraryRecord:
    violations = replace_by_key(record.violations, violation, "violation_id", limit=MAX_ITEMS)
    return record.updated(violations=violations)


def issue_card(record: LibraryRecord, body: CardBody) -> tuple[LibraryRecord, Reason]:
    return record.updated(card=Card.ACTIVE), CARD_ISSUED()


def cancel_card(record: LibraryRecord) -> tuple[LibraryRecord, Reason]:
    """Desk operation and student command; the card goes last."""
    if record.card is Card.NONE:
        raise Refused(
            CARD_NONE(), remedy=Remedy("请先办证，或更正记录。", "Issue a card first, or correct the record.")
        )
    needed = record.loans or record.debt or record.open_violations
    if needed and record.card is not Card.CANCELLED:
        reason = CARD_STILL_NEEDED(count=len(record.loans), amount=yuan(record.debt), violations=record.open_violations)
        raise Refused(
            reason,
            remedy=Remedy(
                "请先还清图书、缴清欠款并处理违章。", "Return the books, pay the fines and settle the violations first."
            ),
        )
    return record.updated(card=Card.CANCELLED), CARD_CANCELLED()


RULES = DepartmentRules(
    __name__,
    record=LibraryRecord,
    assess=assess,
    operations=(
        Operation("loan", "Lend a book", LoanBody, lend, BORROWING, taken=_lent_to_another, undo=_LOAN),
        Operation("return", "Return a book", ReturnBody, return_book, BORROWING, undo=_RETURN),
        Operation("fine", "Add a fine", FineBody, fine, BORROWING, undo=_FINE),
        Operation("payment", "Record a payment of a fine, in full or in part", FinePayment, pay, BORROWING, undo=_FINE),
        Operation("refund", "Refund an overpayment of a fine", FineRefund, refund, BORROWING, undo=_FINE),
        Operation(
            "correction",
            "Correct the amount of a fine, to zero if need be",
            FineCorrection,
            correct_fine,
            BORROWING,
            undo=_FINE,
        ),
        Operation("violation", "Record a violation", ViolationBody, add_violation, BORROWING, undo=_VIOLATION),
        Operation(
            "settle-violation", "Settle a violation", SettleViolationBody, settle_violation, BORROWING, undo=_VIOLATION
        ),
        Operation("issue-card", "Issue a card, also after a cancellation", CardBody, issue_card, BORROWING, CARD_ITEM),
        Operation(
            "cancel-card",
            "Cancel the card",
            CardBody,
            lambda record, body: cancel_card(record),
            BORROWING,
            CARD_ITEM,
            undo=_CARD,
        ),
        *(
            Operation(name, summary, ThesisBody, apply, THESIS, THESIS_ITEM, undo=_THESIS)
            for name, summary, apply in (
                ("thesis-received", "Receive a thesis, the first time or after changes", receive_thesis),
                ("thesis-in-review", "Start the review of the thesis", review_thesis),
                ("thesis-returned", "Return the thesis for changes", return_thesis),
                ("thesis-approved", "Approve the thesis", approve_thesis),
            )
        ),
    ),
    holder_operations=(
        HolderOperation(
            "return-by-barcode",
            "Return a book of which only the barcode is known",
            BarcodeBody,
            return_book,
            _not_with_one_student,
            BORROWING,
            undo=_RETURN,
        ),
    ),
    holdings=holdings,
    import_row=LibraryRow,
    apply_row=apply_row,
    row_checks=row_checks,
    file_checks=file_checks,
    items=row_items,
    row_without=row_without,
    commands={"cancel-card": cancel_card},
)
