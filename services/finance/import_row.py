"""One row of the finance office's export: one charge as it stands, in totals, not increments. Pure."""

from services.kit.rules.bills import require_no_negative
from services.kit.rules.collections import find_by_key, replace_by_key, require_one_item
from services.kit.rules.fields import ZERO, ImportRow, ItemId, Line, SignedMoney

from .rules import MAX_CHARGES, Charge, ChargeYear, FinanceRecord


class FinanceRow(ImportRow):
    """An empty `paid` or `waived` keeps what is recorded. Charges without a row stay as they are.

    More paid than charged, and an amount lowered even to zero, are how things stand, not mistakes of the row.
    """

    charge_id: ItemId
    year: ChargeYear
    name: Line
    amount: SignedMoney
    paid: SignedMoney | None = None
    waived: SignedMoney | None = None


def apply_row(record: FinanceRecord, row: FinanceRow) -> FinanceRecord:
    require_no_negative(row, "amount", "paid", "waived")
    known = find_by_key(record.charges, charge_id=row.charge_id)
    charge = Charge(
        charge_id=row.charge_id,
        student_id=known.student_id if known else row.student_id,
        year=row.year,
        name=row.name,
        amount=row.amount,
        paid=row.paid if row.paid is not None else known.paid if known else ZERO,
        waived=row.waived if row.waived is not None else known.waived if known else ZERO,
    )
    require_one_item(record.charges, charge, "charge_id", "year", "name")
    return record.updated(charges=replace_by_key(record.charges, charge, "charge_id", limit=MAX_CHARGES))
