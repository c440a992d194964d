"""Clear with the finance office: no charge has anything due. Pure.

An overpaid charge neither pays another nor blocks.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, Field

from services.kit.rules.assessment import Assessment, check_status
from services.kit.rules.bills import Bill
from services.kit.rules.department_rules import Record
from services.kit.rules.fields import ZERO, Item, ItemId, Line, Money, MoneyText, distinct, yuan
from services.kit.rules.reasons import Blocker
from services.kit.student_numbers import AnyNumber

MAX_CHARGES: Final = 200
MAX_ROWS: Final = 20
"""In events and on the page; the last row sums up the rest."""

ARREARS: Final = Blocker("arrears", "count", "total")

ChargeYear = Annotated[str, Field(pattern=r"^(19|20)\d{2}(-(19|20)\d{2})?$", examples=["2018"])]


class Charge(Bill):
    """`student_id` is what it is booked under, perhaps from an earlier degree."""

    charge_id: ItemId
    student_id: AnyNumber
    year: ChargeYear
    name: Line
    waived: Money = ZERO

    @property
    def payable(self) -> Decimal:
        return max(ZERO, self.amount - self.waived)


class FinanceRecord(Record):
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
    overpaid: Annotated[MoneyText, Field(description="Paid beyond what was charged; absent when nothing was")] = "0.00"


FACTS: Final[dict[str, type[BaseModel]]] = {"arrears": ArrearsFacts}
"""Check → its published facts."""


def assess(record: FinanceRecord) -> Assessment:
    unpaid = record.unpaid
    total = yuan(_due(unpaid))
    blockers = [ARREARS(count=len(unpaid), total=total)] if unpaid else []
    overpaid = sum((charge.overpaid for charge in record.charges), ZERO)
    facts = ArrearsFacts(rows=_rows(unpaid), total=total, overpaid=yuan(overpaid))
    return Assessment((check_status("arrears", blockers, facts.model_dump(mode="json", exclude_defaults=True)),))


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
