"""When a student is clear with the library: the record of one student, and the two checks that follow from it. Pure."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from schemas.events import Reason
from services.kit.department.assessment import Assessment, check_status
from services.kit.department.fields import ZERO, Amount, Day, Item, ItemId, Line, Money, MoneyText, distinct, yuan
from services.kit.department.rules import Record

MAX_ITEMS: Final = 200
"""Of each kind in one student's record."""


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
    """A book that is out. A returned one leaves the record."""

    barcode: ItemId
    title: Line
    due_on: Day


class Fine(Item):
    """A fine and what was paid of it so far. A paid one stays: paying it again is refused rather than unknown."""

    fine_id: ItemId
    text: Line | None = None
    amount: Amount
    paid: Money = ZERO

    @field_validator("paid")
    @classmethod
    def _never_more_than_due(cls, paid: Decimal, info: ValidationInfo) -> Decimal:
        if paid > info.data.get("amount", paid):
            raise ValueError("more was paid than the fine's amount")
        return paid

    @property
    def due(self) -> Decimal:
        return self.amount - self.paid


class Violation(Item):
    violation_id: ItemId
    text: Line
    settled: bool = False


class LibraryRecord(Record):
    """What the library knows of one student.

    The card is `active` unless the library says otherwise: every student is given one at enrolment, so "nothing on
    record" means a live card that still has to be cancelled. `none` is said only by the library, about a student it
    holds no card for; that is an open question for a person, not a pass.
    The restriction the library's own system sets after a cancel is no violation and is not recorded as one.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "loans": [{"barcode": "B0042871", "title": "矿山压力", "due_on": "2026-06-20"}],
                    "fines": [{"fine_id": "F-1207", "text": "图书超期 35 天", "amount": "3.50", "paid": "1.00"}],
                    "violations": [{"violation_id": "V-88", "text": "在书上涂写", "settled": True}],
                    "card": "active",
                    "thesis": "in-review",
                }
            ]
        }
    )

    loans: Annotated[tuple[Loan, ...], Field(max_length=MAX_ITEMS), distinct("barcode")] = ()
    fines: Annotated[tuple[Fine, ...], Field(max_length=MAX_ITEMS), distinct("fine_id")] = ()
    violations: Annotated[tuple[Violation, ...], Field(max_length=MAX_ITEMS), distinct("violation_id")] = ()
    card: Card = Card.ACTIVE
    thesis: Thesis = Thesis.NONE

    @property
    def debt(self) -> Decimal:
        return sum((fine.due for fine in self.fines), ZERO)

    @property
    def open_violations(self) -> int:
        return sum(not violation.settled for violation in self.violations)


class BorrowingFacts(Item):
    unreturned_count: Annotated[int, Field(ge=0)]
    debt: MoneyText
    violation_count: Annotated[int, Field(ge=0)]
    card: Literal["none", "active", "cancelled"]


class ThesisFacts(Item):
    thesis: Literal["none", "not-submitted", "submitted", "in-review", "returned", "approved"]


FACTS: Final[dict[str, type[BaseModel]]] = {"borrowing": BorrowingFacts, "thesis": ThesisFacts}
"""Check → the shape of its facts, as published."""

_THESIS_OPEN: Final = {
    Thesis.NONE: Reason(code="thesis-none"),
    Thesis.NOT_SUBMITTED: Reason(code="thesis-not-submitted"),
    Thesis.SUBMITTED: Reason(code="thesis-submitted"),
    Thesis.IN_REVIEW: Reason(code="thesis-in-review"),
    Thesis.RETURNED: Reason(code="thesis-returned"),
}


def assess(record: LibraryRecord) -> Assessment:
    """Both checks of the library: `borrowing` and `thesis`."""
    borrowing = BorrowingFacts(
        unreturned_count=len(record.loans),
        debt=yuan(record.debt),
        violation_count=record.open_violations,
        card=record.card.value,
    )
    thesis = ThesisFacts(thesis=record.thesis.value)
    against_thesis = [] if record.thesis is Thesis.APPROVED else [_THESIS_OPEN[record.thesis]]
    return Assessment(
        (
            check_status("borrowing", _against_borrowing(record), borrowing.model_dump(mode="json")),
            check_status("thesis", against_thesis, thesis.model_dump(mode="json")),
        )
    )


def _against_borrowing(record: LibraryRecord) -> list[Reason]:
    reasons: list[Reason] = []
    if record.loans:
        reasons.append(Reason(code="books-not-returned", parameters={"count": len(record.loans)}))
    if record.debt:
        reasons.append(Reason(code="debt-open", parameters={"amount": yuan(record.debt)}))
    if record.open_violations:
        reasons.append(Reason(code="violation-open", parameters={"count": record.open_violations}))
    if record.card is Card.NONE:
        reasons.append(Reason(code="card-unknown"))
    if record.card is Card.ACTIVE and not reasons:
        # Said only when it is all that is left: before that, the button it speaks of is not there.
        reasons.append(Reason(code="card-not-cancelled"))
    return reasons
