"""The finance desk: charge, take a payment, waive. Pure; a repeated charge changes nothing."""

from typing import Final

from schemas.events import Reason
from services.kit.department.collections import find_by_key, replace_by_key
from services.kit.department.fields import Amount, ItemId, Line, yuan
from services.kit.department.reasons import Cause, Refusal
from services.kit.department.rules import DepartmentRules, Operation
from services.kit.operations import OperationBody, Refused

from .import_row import FinanceRow, apply_row
from .rules import MAX_CHARGES, Charge, ChargeYear, FinanceRecord, assess

CHARGED: Final = Cause("charged", "name", "amount")
PAID: Final = Cause("paid", "name", "amount")
WAIVED: Final = Cause("waived", "name", "amount")
CHARGE_EXISTS: Final = Refusal("charge-exists")
CHARGE_UNKNOWN: Final = Refusal("charge-unknown")
OVERPAYMENT: Final = Refusal("overpayment", "due")


class ChargeBody(OperationBody):
    charge_id: ItemId
    year: ChargeYear
    name: Line
    amount: Amount


class SettleBody(OperationBody):
    charge_id: ItemId
    amount: Amount


def charge(record: FinanceRecord, body: ChargeBody) -> tuple[FinanceRecord, Reason]:
    cause = CHARGED(name=body.name, amount=yuan(body.amount))
    known = find_by_key(record.charges, charge_id=body.charge_id)
    if known is None:
        return _with(record, Charge.model_validate(body.model_dump())), cause
    if (known.year, known.name, known.amount) != (body.year, body.name, body.amount):
        raise Refused(CHARGE_EXISTS(), field="charge_id", remedy="Use a new charge_id.")
    return record, cause


def pay(record: FinanceRecord, body: SettleBody) -> tuple[FinanceRecord, Reason]:
    """Every payment counts: the idempotency key makes a retry harmless, not the body."""
    known = _due_at_least(record, body)
    paid = known.model_copy(update={"paid": known.paid + body.amount})
    return _with(record, paid), PAID(name=known.name, amount=yuan(body.amount))


def waive(record: FinanceRecord, body: SettleBody) -> tuple[FinanceRecord, Reason]:
    """Every waiver counts, as a payment does."""
    known = _due_at_least(record, body)
    waived = known.model_copy(update={"waived": known.waived + body.amount})
    return _with(record, waived), WAIVED(name=known.name, amount=yuan(body.amount))


def _due_at_least(record: FinanceRecord, body: SettleBody) -> Charge:
    known = find_by_key(record.charges, charge_id=body.charge_id)
    if known is None:
        remedy = "Check the charge_id and the student number."
        raise Refused(CHARGE_UNKNOWN(), field="charge_id", remedy=remedy)
    if body.amount > known.due:
        due = yuan(known.due)
        raise Refused(OVERPAYMENT(due=due), field="amount", remedy=f"At most {due}.")
    return known


def _with(record: FinanceRecord, charge: Charge) -> FinanceRecord:
    return record.updated(charges=replace_by_key(record.charges, charge, "charge_id", limit=MAX_CHARGES))


RULES = DepartmentRules(
    __name__,
    record=FinanceRecord,
    assess=assess,
    operations=(
        Operation("charge", "Charge an item", ChargeBody, charge),
        Operation("payment", "Take a payment of a charge, in full or in part", SettleBody, pay),
        Operation("waiver", "Waive a charge, in full or in part", SettleBody, waive),
    ),
    import_row=FinanceRow,
    apply_row=apply_row,
)
