"""Records of the finance office, and what its desk does with them."""

from services.finance.operations import RULES
from services.finance.rules import FinanceRecord
from tests.support.in_process.pure_desk import PureDesk

STUDENT = "TS20267004"
CHARGE = {"charge_id": "C1", "year": "2019", "name": "学分学费", "amount": "550"}
desk = PureDesk(RULES, STUDENT)
do, done, refusal, row = desk.do, desk.done, desk.refusal, desk.row


def record_of(*charges: tuple[str, str, str]) -> FinanceRecord:
    return FinanceRecord.model_validate(
        {
            "charges": [
                {
                    **CHARGE,
                    "student_id": STUDENT,
                    "charge_id": f"C{n}",
                    "amount": amount,
                    "paid": paid,
                    "waived": waived,
                }
                for n, (amount, paid, waived) in enumerate(charges)
            ]
        }
    )
