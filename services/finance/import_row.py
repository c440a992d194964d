"""One row of the finance office's export: one charge as it stands, in totals, not increments. Pure."""

from typing import Final

from services.kit.department.collections import find_by_key, replace_by_key
from services.kit.department.fields import ZERO, Amount, ImportRow, ItemId, Line, Money, yuan
from services.kit.department.reasons import Refusal
from services.kit.operations import Refused

from .rules import MAX_CHARGES, Charge, ChargeYear, FinanceRecord

AMOUNT_BELOW_PAID: Final = Refusal("amount-below-paid", "paid")


class FinanceRow(ImportRow):
    """An empty `paid` or `waived` keeps what is recorded. Charges without a row stay as they are."""

    charge_id: ItemId
    year: ChargeYear
    name: Line
    amount: Amount
    paid: Money | None = None
    waived: Money | None = None


def apply_row(record: FinanceRecord, row: FinanceRow) -> FinanceRecord:
    known = find_by_key(record.charges, charge_id=row.charge_id)
    paid = row.paid if row.paid is not None else known.paid if known else ZERO
    waived = row.waived if row.waived is not None else known.waived if known else ZERO
    if paid + waived > row.amount:
        remedy = "Correct the amount, or paid and waived with it."
        raise Refused(AMOUNT_BELOW_PAID(paid=yuan(paid + waived)), field="amount", remedy=remedy)
    charge = Charge(
        charge_id=row.charge_id,
        student_id=known.student_id if known else row.student_id,
        year=row.year,
        name=row.name,
        amount=row.amount,
        paid=paid,
        waived=waived,
    )
    return record.updated(charges=replace_by_key(record.charges, charge, "charge_id", limit=MAX_CHARGES))
