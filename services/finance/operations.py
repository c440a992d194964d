"""What the finance desk does: charge, take a payment, waive. Pure; a repeated charge changes nothing."""

from pydantic import ConfigDict

from schemas.events import Reason
from services.finance.rules import MAX_CHARGES, Charge, ChargeYear, FinanceRecord, assess
from services.kit.department.fields import ZERO, Amount, ImportRow, ItemId, Line, Money, yuan
from services.kit.department.rules import DepartmentRules, Operation
from services.kit.operations import OperationBody, Refused


class ChargeBody(OperationBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "student_id": "TS20260001",
                    "charge_id": "C-2019-07",
                    "year": "2019",
                    "name": "代收取暖费",
                    "amount": "72.40",
                }
            ]
        }
    )

    charge_id: ItemId
    year: ChargeYear
    name: Line
    amount: Amount


class SettleBody(OperationBody):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"student_id": "TS20260001", "charge_id": "C-2019-07", "amount": "72.40"}]}
    )

    charge_id: ItemId
    amount: Amount


class FinanceRow(ImportRow):
    """One row of an export: one charge as it stands, with totals, not increments. The same row again changes nothing.

    An empty `paid` or `waived` leaves what is recorded; a charge no row speaks of stays as it is.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "student_id": "TS20260001",
                    "charge_id": "C-2019-07",
                    "year": "2019",
                    "name": "代收取暖费",
                    "amount": "72.40",
                    "paid": "0",
                }
            ]
        }
    )

    charge_id: ItemId
    year: ChargeYear
    name: Line
    amount: Amount
    paid: Money | None = None
    waived: Money | None = None


def charge(record: FinanceRecord, body: ChargeBody) -> tuple[FinanceRecord, Reason]:
    cause = Reason(code="charged", parameters={"name": body.name, "amount": yuan(body.amount)})
    known = _known(record, body.charge_id)
    if known is None:
        new = Charge(
            charge_id=body.charge_id, student_id=body.student_id, year=body.year, name=body.name, amount=body.amount
        )
        return _with(record, new), cause
    if (known.year, known.name, known.amount) != (body.year, body.name, body.amount):
        raise Refused(Reason(code="charge-exists"), field="charge_id", remedy="Use a new charge_id.")
    return record, cause


def pay(record: FinanceRecord, body: SettleBody) -> tuple[FinanceRecord, Reason]:
    """A payment counts each time it is sent: the request id makes a retry harmless, not the body."""
    known = _due_at_least(record, body)
    paid = known.model_copy(update={"paid": known.paid + body.amount})
    return _with(record, paid), Reason(code="paid", parameters={"name": known.name, "amount": yuan(body.amount)})


def waive(record: FinanceRecord, body: SettleBody) -> tuple[FinanceRecord, Reason]:
    """Like a payment, counted each time it is sent."""
    known = _due_at_least(record, body)
    waived = known.model_copy(update={"waived": known.waived + body.amount})
    return _with(record, waived), Reason(code="waived", parameters={"name": known.name, "amount": yuan(body.amount)})


def apply_row(record: FinanceRecord, row: FinanceRow) -> tuple[FinanceRecord, Reason]:
    """The record as the row says it is; the very same record when the row says nothing new."""
    known = _known(record, row.charge_id)
    paid = row.paid if row.paid is not None else known.paid if known else ZERO
    waived = row.waived if row.waived is not None else known.waived if known else ZERO
    if paid + waived > row.amount:
        reason = Reason(code="amount-below-paid", parameters={"paid": yuan(paid + waived)})
        raise Refused(reason, field="amount", remedy="Correct the amount, or paid and waived with it.")
    said = Charge(
        charge_id=row.charge_id,
        student_id=known.student_id if known else row.student_id,
        year=row.year,
        name=row.name,
        amount=row.amount,
        paid=paid,
        waived=waived,
    )
    return _with(record, said), Reason(code="row-imported")


def _known(record: FinanceRecord, charge_id: str) -> Charge | None:
    return next((charge for charge in record.charges if charge.charge_id == charge_id), None)


def _due_at_least(record: FinanceRecord, body: SettleBody) -> Charge:
    known = _known(record, body.charge_id)
    if known is None:
        remedy = "Check the charge_id and the student number."
        raise Refused(Reason(code="charge-unknown"), field="charge_id", remedy=remedy)
    if body.amount > known.due:
        due = yuan(known.due)
        raise Refused(Reason(code="overpayment", parameters={"due": due}), field="amount", remedy=f"At most {due}.")
    return known


def _with(record: FinanceRecord, charge: Charge) -> FinanceRecord:
    known = _known(record, charge.charge_id)
    if known == charge:
        return record
    if known is not None:
        changed = tuple(charge if other is known else other for other in record.charges)
        return record.model_copy(update={"charges": changed})
    if len(record.charges) >= MAX_CHARGES:
        reason = Reason(code="record-full", parameters={"limit": MAX_CHARGES})
        raise Refused(reason, remedy="Put the record again without charges settled long ago.")
    return record.model_copy(update={"charges": (*record.charges, charge)})


RULES = DepartmentRules(
    name="finance",
    record=FinanceRecord,
    assess=assess,
    operations=(
        Operation("charge", "Charge an item", ChargeBody, charge),
        Operation("payment", "Take a payment of a charge, whole or in part", SettleBody, pay),
        Operation("waiver", "Waive a charge, whole or in part", SettleBody, waive),
    ),
    import_row=FinanceRow,
    apply_row=apply_row,
)
