"""When a student is clear with the finance office: no charge has anything due. Pure; money is `Decimal`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from schemas.events import StudentId
from services.kit.department.assessment import Assessment, check_status
from services.kit.department.fields import ZERO, Amount, Item, ItemId, Line, Money, MoneyText, distinct, yuan
from services.kit.department.reasons import Blocker
from services.kit.department.rules import Record

MAX_CHARGES: Final = 200
MAX_ROWS: Final = 20
"""On the page and in every event; the last row sums up the rest."""

ARREARS: Final = Blocker("arrears", "count", "total")

ChargeYear = Annotated[str, Field(pattern=r"^(19|20)\d{2}(-(19|20)\d{2})?$", examples=["2018"])]


class Charge(Item):
    """One item charged. `student_id` is the number it is booked under: it may be one from an earlier degree."""

    charge_id: ItemId
    student_id: StudentId
    year: ChargeYear
    name: Line
    amount: Amount
    paid: Money = ZERO
    waived: Money = ZERO

    @field_validator("paid", "waived")
    @classmethod
    def _never_more_than_due(cls, value: Decimal, info: ValidationInfo) -> Decimal:
        amount = info.data.get("amount")
        if amount is not None and value + info.data.get("paid", ZERO) > amount:
            raise ValueError("more was paid or waived than charged")
        return value

    @property
    def due(self) -> Decimal:
        return self.amount - self.paid - self.waived


class FinanceRecord(Record):
    """Nothing charged means nothing due, which is clear."""

    charges: Annotated[tuple[Charge, ...], Field(max_length=MAX_CHARGES), distinct("charge_id")] = ()

    @property
    def unpaid(self) -> tuple[Charge, ...]:
        return tuple(charge for charge in self.charges if charge.due)


class ArrearsRow(Item):
    student_id: str
    year: str
    name: str
    due: MoneyText


class ArrearsFacts(Item):
    rows: Annotated[tuple[ArrearsRow, ...], Field(max_length=MAX_ROWS)]
    total: MoneyText


FACTS: Final[dict[str, type[BaseModel]]] = {"arrears": ArrearsFacts}
"""Check → the shape of its facts, as published."""


def assess(record: FinanceRecord) -> Assessment:
    """The one check of the finance office: `arrears`."""
    unpaid = record.unpaid
    total = yuan(_due(unpaid))
    blockers = [ARREARS(count=len(unpaid), total=total)] if unpaid else []
    facts = ArrearsFacts(rows=_rows(unpaid), total=total)
    return Assessment((check_status("arrears", blockers, facts.model_dump(mode="json")),))


def _rows(unpaid: Sequence[Charge]) -> tuple[ArrearsRow, ...]:
    shown = unpaid if len(unpaid) <= MAX_ROWS else unpaid[: MAX_ROWS - 1]
    rest = unpaid[len(shown) :]
    rows = [
        ArrearsRow(student_id=charge.student_id, year=charge.year, name=charge.name, due=yuan(charge.due))
        for charge in shown
    ]
    if rest:
        rows.append(ArrearsRow(student_id="", year="", name=f"… ({len(rest)})", due=yuan(_due(rest))))
    return tuple(rows)


def _due(charges: Sequence[Charge]) -> Decimal:
    return sum((charge.due for charge in charges), ZERO)
