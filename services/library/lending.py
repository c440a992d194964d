"""What the lending desk does: loans, fines, violations and the card. Pure; a repeated act changes nothing."""

from typing import TypeVar

from pydantic import ConfigDict

from schemas.events import Reason
from services.kit.department.fields import Amount, Day, Item, ItemId, Line, yuan
from services.kit.department.rules import Operation
from services.kit.operations import OperationBody, Refused
from services.library.rules import MAX_ITEMS, Card, Fine, LibraryRecord, Loan, Violation

T = TypeVar("T", bound=Item)


class LoanBody(OperationBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"student_id": "TS20260001", "barcode": "B0042871", "title": "矿山压力", "due_on": "2026-06-20"}
            ]
        }
    )

    barcode: ItemId
    title: Line
    due_on: Day


class ReturnBody(OperationBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"student_id": "TS20260001", "barcode": "B0042871"}]})

    barcode: ItemId


class FineBody(OperationBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"student_id": "TS20260001", "fine_id": "F-1207", "text": "图书超期 35 天", "amount": "3.50"}]
        }
    )

    fine_id: ItemId
    text: Line | None = None
    amount: Amount


class PaymentBody(OperationBody):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"student_id": "TS20260001", "fine_id": "F-1207", "amount": "3.50"}]}
    )

    fine_id: ItemId
    amount: Amount


class ViolationBody(OperationBody):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"student_id": "TS20260001", "violation_id": "V-88", "text": "在书上涂写"}]}
    )

    violation_id: ItemId
    text: Line


class SettleViolationBody(OperationBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"student_id": "TS20260001", "violation_id": "V-88"}]})

    violation_id: ItemId


class CardBody(OperationBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"student_id": "TS20260001"}]})


def added(items: tuple[T, ...], item: T) -> tuple[T, ...]:
    """`items` with one more at the end; refused when the record is full."""
    if len(items) >= MAX_ITEMS:
        reason = Reason(code="record-full", parameters={"limit": MAX_ITEMS})
        raise Refused(reason, remedy="Put the record again without its settled lines.")
    return (*items, item)


def exchanged(items: tuple[T, ...], old: T, new: T) -> tuple[T, ...]:
    """`items` with `new` in the place of `old`."""
    return tuple(new if item is old else item for item in items)


def lend(record: LibraryRecord, body: LoanBody) -> tuple[LibraryRecord, Reason]:
    cause = Reason(code="book-lent", parameters={"title": body.title})
    loan = Loan(barcode=body.barcode, title=body.title, due_on=body.due_on)
    if loan in record.loans:
        return record, cause
    if any(known.barcode == body.barcode for known in record.loans):
        raise Refused(Reason(code="loan-exists"), field="barcode", remedy="Return the book first, then lend it again.")
    _needs_a_live_card(record)
    return record.model_copy(update={"loans": added(record.loans, loan)}), cause


def take_back(record: LibraryRecord, body: ReturnBody) -> tuple[LibraryRecord, Reason]:
    loan = next((loan for loan in record.loans if loan.barcode == body.barcode), None)
    if loan is None:
        raise Refused(Reason(code="loan-unknown"), field="barcode", remedy="Check the barcode and the student number.")
    kept = tuple(other for other in record.loans if other is not loan)
    return record.model_copy(update={"loans": kept}), Reason(code="book-returned", parameters={"title": loan.title})


def fine(record: LibraryRecord, body: FineBody) -> tuple[LibraryRecord, Reason]:
    cause = Reason(code="fine-added", parameters={"amount": yuan(body.amount)})
    known = next((fine for fine in record.fines if fine.fine_id == body.fine_id), None)
    if known is None:
        new = Fine(fine_id=body.fine_id, text=body.text, amount=body.amount)
        return record.model_copy(update={"fines": added(record.fines, new)}), cause
    if (known.text, known.amount) != (body.text, body.amount):
        raise Refused(Reason(code="fine-exists"), field="fine_id", remedy="Use a new fine_id.")
    return record, cause


def pay(record: LibraryRecord, body: PaymentBody) -> tuple[LibraryRecord, Reason]:
    """A payment counts each time it is sent: the request id makes a retry harmless, not the body."""
    known = next((fine for fine in record.fines if fine.fine_id == body.fine_id), None)
    if known is None:
        raise Refused(Reason(code="fine-unknown"), field="fine_id", remedy="Check the fine_id and the student number.")
    if body.amount > known.due:
        due = yuan(known.due)
        raise Refused(Reason(code="overpayment", parameters={"due": due}), field="amount", remedy=f"At most {due}.")
    paid = known.model_copy(update={"paid": known.paid + body.amount})
    cause = Reason(code="fine-paid", parameters={"amount": yuan(body.amount)})
    return record.model_copy(update={"fines": exchanged(record.fines, known, paid)}), cause


def note_violation(record: LibraryRecord, body: ViolationBody) -> tuple[LibraryRecord, Reason]:
    cause = Reason(code="violation-added")
    known = next((item for item in record.violations if item.violation_id == body.violation_id), None)
    if known is None:
        new = Violation(violation_id=body.violation_id, text=body.text)
        return record.model_copy(update={"violations": added(record.violations, new)}), cause
    if known.text != body.text:
        raise Refused(Reason(code="violation-exists"), field="violation_id", remedy="Use a new violation_id.")
    return record, cause


def settle_violation(record: LibraryRecord, body: SettleViolationBody) -> tuple[LibraryRecord, Reason]:
    cause = Reason(code="violation-settled")
    known = next((item for item in record.violations if item.violation_id == body.violation_id), None)
    if known is None:
        raise Refused(Reason(code="violation-unknown"), field="violation_id", remedy="Check the violation_id.")
    if known.settled:
        return record, cause
    settled = known.model_copy(update={"settled": True})
    return record.model_copy(update={"violations": exchanged(record.violations, known, settled)}), cause


def issue_card(record: LibraryRecord, body: CardBody) -> tuple[LibraryRecord, Reason]:
    return with_card(record, Card.ACTIVE), Reason(code="card-issued")


def cancel_card(record: LibraryRecord) -> tuple[LibraryRecord, Reason]:
    """The student's command and the desk's act alike: only when nothing else is open. Cancelled already is done."""
    cause = Reason(code="card-cancelled")
    if record.card is Card.CANCELLED:
        return record, cause
    if record.card is Card.NONE:
        raise Refused(Reason(code="card-none"), remedy="Issue a card first, or correct the record.")
    if record.loans or record.debt or record.open_violations:
        reason = Reason(
            code="card-still-needed",
            parameters={
                "count": len(record.loans),
                "amount": yuan(record.debt),
                "violations": record.open_violations,
            },
        )
        raise Refused(reason, remedy="Return the books, pay the fines and settle the violations first.")
    return with_card(record, Card.CANCELLED), cause


def with_card(record: LibraryRecord, card: Card) -> LibraryRecord:
    return record if record.card is card else record.model_copy(update={"card": card})


def _needs_a_live_card(record: LibraryRecord) -> None:
    if record.card is Card.CANCELLED:
        raise Refused(Reason(code="loan-on-cancelled-card"), remedy="Issue the card again first.")
    if record.card is Card.NONE:
        raise Refused(Reason(code="card-none"), remedy="Issue a card first, or correct the record.")


OPERATIONS = (
    Operation("loan", "Lend a book", LoanBody, lend),
    Operation("return", "Take a book back", ReturnBody, take_back),
    Operation("fine", "Add a fine", FineBody, fine),
    Operation("payment", "Take a payment of a fine, whole or in part", PaymentBody, pay),
    Operation("violation", "Note a violation of the rules", ViolationBody, note_violation),
    Operation("settle-violation", "Settle a violation", SettleViolationBody, settle_violation),
    Operation("issue-card", "Issue the card, or issue it again after a cancel", CardBody, issue_card),
    Operation("cancel-card", "Cancel the card", CardBody, lambda record, body: cancel_card(record)),
)
