"""A bill, and what was paid of it. Pure.

Bills are judged alone: only the office may move money between them. Overpaying blocks nobody; the facts show it, to be
claimed.
"""

from decimal import Decimal
from typing import Any, Final, Self, TypeVar

from services.kit.operations import OperationBody, Refused, Remedy
from services.kit.rules.fields import MAX_AMOUNT, ZERO, Amount, ImportRow, Item, Money, yuan
from services.kit.rules.reasons import Refusal

OVERPAYMENT: Final = Refusal("overpayment", "due")
REFUND_TOO_LARGE: Final = Refusal("refund-too-large", "overpaid")
NEGATIVE_AMOUNT: Final = Refusal("negative-amount")


class Bill(Item):
    """`amount` may drop to zero and `paid` may exceed it."""

    amount: Money
    paid: Money = ZERO

    @property
    def payable(self) -> Decimal:
        return self.amount

    @property
    def due(self) -> Decimal:
        return max(ZERO, self.payable - self.paid)

    @property
    def overpaid(self) -> Decimal:
        """To be refunded: never more than was paid."""
        return max(ZERO, self.paid - self.payable)

    def changed(self, **amounts: Decimal) -> Self:
        return self.model_copy(update=amounts)


B = TypeVar("B", bound=Bill)


class SettlementBody(OperationBody):
    """Paying more than is due is usually a typing mistake."""

    amount: Amount
    allow_overpayment: bool = False


class RefundBody(OperationBody):
    amount: Amount


class CorrectionBody(OperationBody):
    """`amount` replaces the billed one."""

    amount: Money


def require_due(bill: Bill, body: SettlementBody) -> None:
    """Raises `Refused` unless the body allows an overpayment."""
    if body.amount > bill.due and not body.allow_overpayment:
        due = yuan(bill.due)
        remedy = Remedy(
            f"最多 {due} 元；如金额无误，请注明 allow_overpayment: true 后再提交。",
            f"At most {due}. If the amount is right, send it again with allow_overpayment: true.",
        )
        raise Refused(OVERPAYMENT(due=due), field="amount", remedy=remedy)


def pay(bill: B, body: SettlementBody) -> B:
    """Counts each time: the idempotency key makes retries harmless. Raises `Refused`."""
    require_due(bill, body)
    if bill.paid + body.amount > MAX_AMOUNT:
        remedy = Remedy(f"一项最多缴 {MAX_AMOUNT} 元。", f"At most {MAX_AMOUNT} is paid of an item.")
        raise Refused(OVERPAYMENT(due=yuan(bill.due)), field="amount", remedy=remedy)
    return bill.changed(paid=bill.paid + body.amount)


def refund(bill: B, amount: Decimal) -> B:
    """Only of what is overpaid: a refund makes no debt. Raises `Refused`."""
    if amount > bill.overpaid:
        overpaid = yuan(bill.overpaid)
        remedy = Remedy(
            f"最多 {overpaid} 元；如要撤销误记的缴费，请更新整份记录。",
            f"At most {overpaid}. To take back a payment recorded by mistake, replace the record.",
        )
        raise Refused(REFUND_TOO_LARGE(overpaid=overpaid), field="amount", remedy=remedy)
    return bill.changed(paid=bill.paid - amount)


def require_no_negative(row: ImportRow, *fields: str) -> None:
    """Raises `Refused` below zero: it may be a refund, a credit or a discount; a guess could end or make a debt."""
    amounts: dict[str, Any] = {name: getattr(row, name) for name in fields}
    for name, amount in amounts.items():
        if amount is not None and amount < ZERO:
            remedy = Remedy(
                "请删去此行，在所属项目的那一行填写应缴金额和已缴总额。",
                "Leave this row out, and send the row of the item it belongs to with its own amount and total paid.",
            )
            raise Refused(NEGATIVE_AMOUNT(), field=name, remedy=remedy)
