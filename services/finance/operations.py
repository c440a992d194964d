"""The finance desk: charge, correct, take a payment, waive, refund. Pure; repeated charges change nothing."""

from typing import Final

from schemas.events import Reason
from services.kit.operations import OperationBody, Refused, Remedy
from services.kit.rules import bills
from services.kit.rules.bills import CorrectionBody, RefundBody, SettlementBody
from services.kit.rules.collections import find_by_key, replace_by_key
from services.kit.rules.department_rules import DepartmentRules, Operation
from services.kit.rules.evidence import item
from services.kit.rules.fields import ZERO, Amount, ItemId, Line, yuan
from services.kit.rules.reasons import Cause, Refusal
from services.kit.rules.undo import Undo

from .import_row import FinanceRow, apply_row
from .rules import MAX_CHARGES, Charge, ChargeYear, FinanceRecord, assess

CHARGED: Final = Cause("charged", "name", "amount")
PAID: Final = Cause("paid", "name", "amount")
WAIVED: Final = Cause("waived", "name", "amount")
REFUNDED: Final = Cause("refunded", "name", "amount")
CORRECTED: Final = Cause("corrected", "name", "amount")
CHARGE_EXISTS: Final = Refusal("charge-exists")
CHARGE_UNKNOWN: Final = Refusal("charge-unknown")
WAIVER_TOO_LARGE: Final = Refusal("waiver-too-large", "most")


class ChargeBody(OperationBody):
    charge_id: ItemId
    year: ChargeYear
    name: Line
    amount: Amount


class ChargeSettlement(SettlementBody):
    charge_id: ItemId


class ChargeRefund(RefundBody):
    charge_id: ItemId


class ChargeCorrection(CorrectionBody):
    charge_id: ItemId


def charge(record: FinanceRecord, body: ChargeBody) -> tuple[FinanceRecord, Reason]:
    cause = CHARGED(name=body.name, amount=yuan(body.amount))
    known = find_by_key(record.charges, charge_id=body.charge_id)
    if known is None:
        return _with_charge(record, Charge.model_validate(body.model_dump())), cause
    if (known.year, known.name, known.amount) != (body.year, body.name, body.amount):
        raise Refused(CHARGE_EXISTS(), field="charge_id", remedy=Remedy("请换一个收费编号。", "Use a new charge_id."))
    return record, cause


def pay(record: FinanceRecord, body: ChargeSettlement) -> tuple[FinanceRecord, Reason]:
    known = _find_charge(record, body.charge_id)
    return _with_charge(record, bills.pay(known, body)), PAID(name=known.name, amount=yuan(body.amount))


def waive(record: FinanceRecord, body: ChargeSettlement) -> tuple[FinanceRecord, Reason]:
    """Counts each time, like a payment; after payment it leaves the charge overpaid."""
    known = _find_charge(record, body.charge_id)
    bills.require_due(known, body)
    if known.waived + body.amount > known.amount:
        most = yuan(max(ZERO, known.amount - known.waived))
        raise Refused(
            WAIVER_TOO_LARGE(most=most), field="amount", remedy=Remedy(f"最多可减免 {most} 元。", f"At most {most}.")
        )
    waived = known.changed(waived=known.waived + body.amount)
    return _with_charge(record, waived), WAIVED(name=known.name, amount=yuan(body.amount))


def refund(record: FinanceRecord, body: ChargeRefund) -> tuple[FinanceRecord, Reason]:
    known = _find_charge(record, body.charge_id)
    return _with_charge(record, bills.refund(known, body.amount)), REFUNDED(name=known.name, amount=yuan(body.amount))


def correct(record: FinanceRecord, body: ChargeCorrection) -> tuple[FinanceRecord, Reason]:
    known = _find_charge(record, body.charge_id)
    return _with_charge(record, known.changed(amount=body.amount)), CORRECTED(name=known.name, amount=yuan(body.amount))


def _find_charge(record: FinanceRecord, charge_id: str) -> Charge:
    known = find_by_key(record.charges, charge_id=charge_id)
    if known is None:
        remedy = Remedy("请核对收费编号和学号。", "Check the charge_id and the student number.")
        raise Refused(CHARGE_UNKNOWN(), field="charge_id", remedy=remedy)
    return known


def _with_charge(record: FinanceRecord, charge: Charge) -> FinanceRecord:
    return record.updated(charges=replace_by_key(record.charges, charge, "charge_id", limit=MAX_CHARGES))


_CHARGE: Final[Undo[FinanceRecord]] = Undo("charges", ("charge_id",))

RULES = DepartmentRules(
    __name__,
    record=FinanceRecord,
    assess=assess,
    operations=(
        Operation("charge", "Charge an item", ChargeBody, charge, undo=_CHARGE),
        Operation("payment", "Record a payment of a charge, in full or in part", ChargeSettlement, pay, undo=_CHARGE),
        Operation("waiver", "Waive a charge, in full or in part", ChargeSettlement, waive, undo=_CHARGE),
        Operation("refund", "Refund an overpayment of a charge", ChargeRefund, refund, undo=_CHARGE),
        Operation(
            "correction", "Correct the amount of a charge, to zero if need be", ChargeCorrection, correct, undo=_CHARGE
        ),
    ),
    import_row=FinanceRow,
    apply_row=apply_row,
    items=lambda fields: item("charge", fields.get("charge_id")),
)
