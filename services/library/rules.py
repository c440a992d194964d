"""Clear with the library: its two checks. Pure."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from schemas.events import Reason
from services.kit.rules.assessment import Assessment, check_status
from services.kit.rules.bills import Bill
from services.kit.rules.department_rules import Record
from services.kit.rules.fields import ZERO, Day, Item, ItemId, Line, MoneyText, distinct, yuan
from services.kit.rules.reasons import Blocker

MAX_ITEMS: Final = 200
"""Of each kind, per student."""
MAX_BOOKS_NAMED: Final = 20
"""In a status: a page lists no more, and the count says how many there are."""

BOOKS_NOT_RETURNED: Final = Blocker("books-not-returned", "count")
DEBT_OPEN: Final = Blocker("debt-open", "amount")
VIOLATION_OPEN: Final = Blocker("violation-open", "count")
CARD_UNKNOWN: Final = Blocker("card-unknown")
CARD_NOT_CANCELLED: Final = Blocker("card-not-cancelled")
THESIS_NONE: Final = Blocker("thesis-none")
THESIS_NOT_SUBMITTED: Final = Blocker("thesis-not-submitted")
THESIS_SUBMITTED: Final = Blocker("thesis-submitted")
THESIS_IN_REVIEW: Final = Blocker("thesis-in-review")
THESIS_RETURNED: Final = Blocker("thesis-returned")


class Card(StrEnum):
    NONE = "none"
    ACTIVE = "active"
    CANCELLED = "cancelled"


class Thesis(StrEnum):
    NONE = "none"
    NOT_SUBMITTED = "not-submitted"
    SUBMITTED = "submitted"
    IN_REVIEW = "in-review"
    RETURNED = "returned"
    APPROVED = "approved"


class Loan(Item):
    """A book that is out; returned ones are removed."""

    barcode: ItemId
    title: Line
    due_on: Day


class Fine(Bill):
    """Stays when paid, so that a second payment is too much, not unknown."""

    fine_id: ItemId
    text: Line | None = None


class Violation(Item):
    violation_id: ItemId
    text: Line
    settled: bool = False


class LibraryRecord(Record):
    """Every student gets a card at enrolment: an empty record has an active one, still to be cancelled.

    Only the library sets `none`, when it knows no card: that needs a librarian. The restriction its own system sets
    after a cancellation is no violation.
    """

    loans: Annotated[tuple[Loan, ...], Field(max_length=MAX_ITEMS), distinct("barcode")] = ()
    fines: Annotated[tuple[Fine, ...], Field(max_length=MAX_ITEMS), distinct("fine_id")] = ()
    violations: Annotated[tuple[Violation, ...], Field(max_length=MAX_ITEMS), distinct("violation_id")] = ()
    card: Card = Card.ACTIVE
    thesis: Thesis = Thesis.NONE

    @property
    def debt(self) -> Decimal:
        return sum((fine.due for fine in self.fines), ZERO)

    @property
    def overpaid(self) -> Decimal:
        return sum((fine.overpaid for fine in self.fines), ZERO)

    @property
    def open_violations(self) -> int:
        return sum(not violation.settled for violation in self.violations)


class BookOut(Item):
    """What a student needs to find the book."""

    title: Line
    due_on: Day


class BorrowingFacts(Item):
    unreturned_count: Annotated[int, Field(ge=0)]
    debt: MoneyText
    violation_count: Annotated[int, Field(ge=0)]
    card: Literal["none", "active", "cancelled"]
    overpaid: Annotated[MoneyText, Field(description="Paid beyond the fines; absent when nothing was")] = "0.00"
    loans: Annotated[
        tuple[BookOut, ...],
        Field(max_length=MAX_BOOKS_NAMED, description="The books that are out, due first; absent when none is"),
    ] = ()


class ThesisFacts(Item):
    thesis: Literal["none", "not-submitted", "submitted", "in-review", "returned", "approved"]


FACTS: Final[dict[str, type[BaseModel]]] = {"borrowing": BorrowingFacts, "thesis": ThesisFacts}
"""Check → its published facts."""

_THESIS_BLOCKERS: Final = {
    Thesis.NONE: THESIS_NONE(),
    Thesis.NOT_SUBMITTED: THESIS_NOT_SUBMITTED(),
    Thesis.SUBMITTED: THESIS_SUBMITTED(),
    Thesis.IN_REVIEW: THESIS_IN_REVIEW(),
    Thesis.RETURNED: THESIS_RETURNED(),
}


def assess(record: LibraryRecord) -> Assessment:
    borrowing = BorrowingFacts(
        unreturned_count=len(record.loans),
        debt=yuan(record.debt),
        violation_count=record.open_violations,
        card=record.card.value,
        loans=_books_out(record.loans),
        overpaid=yuan(record.overpaid),
    )
    thesis = ThesisFacts(thesis=record.thesis.value)
    thesis_blockers = [] if record.thesis is Thesis.APPROVED else [_THESIS_BLOCKERS[record.thesis]]
    return Assessment(
        (
            check_status(
                "borrowing", _borrowing_blockers(record), borrowing.model_dump(mode="json", exclude_defaults=True)
            ),
            check_status("thesis", thesis_blockers, thesis.model_dump(mode="json")),
        )
    )


def _books_out(loans: Iterable[Loan]) -> tuple[BookOut, ...]:
    due_first = sorted(loans, key=lambda loan: (loan.due_on, loan.barcode))[:MAX_BOOKS_NAMED]
    return tuple(BookOut(title=loan.title, due_on=loan.due_on) for loan in due_first)


def _borrowing_blockers(record: LibraryRecord) -> list[Reason]:
    reasons: list[Reason] = []
    if record.loans:
        reasons.append(BOOKS_NOT_RETURNED(count=len(record.loans)))
    if record.debt:
        reasons.append(DEBT_OPEN(amount=yuan(record.debt)))
    if record.open_violations:
        reasons.append(VIOLATION_OPEN(count=record.open_violations))
    if record.card is Card.NONE:
        reasons.append(CARD_UNKNOWN())
    if record.card is Card.ACTIVE and not reasons:
        # Only as the last item: the button its text mentions is not offered before.
        reasons.append(CARD_NOT_CANCELLED())
    return reasons
