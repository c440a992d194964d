"""Records that owe something, and what the tests of the round look at."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from schemas.events import Message
from services.finance.rules import Charge, FinanceRecord
from services.library.rules import Loan
from tests.support.submission.harness import CLEAR_LIBRARY, Parts

OWING = CLEAR_LIBRARY.model_copy(update={"loans": (Loan(barcode="B1", title="矿山压力", due_on=date(2026, 6, 20)),)})
CHARGE = Charge(charge_id="C1", student_id="TS1", year="2025", name="住宿费", amount=Decimal("12.00"))
OWED = FinanceRecord(charges=(CHARGE,))


def of(said: list[Message], kind: type[Message]) -> list[Message]:
    return [event for event in said if isinstance(event, kind)]


async def state(parts: Parts, attempt_id: UUID) -> tuple[str, str]:
    row = await parts.attempt(attempt_id)
    return row["state"], row["cause"]


async def overdue(parts: Parts, attempt_id: UUID) -> None:
    """The attempt's life is over: ten minutes went by."""
    await parts.clearance.pool.execute(
        "UPDATE attempt SET opened_at = opened_at - interval '1 hour', expires_at = expires_at - interval '1 hour'"
        " WHERE attempt_id = $1",
        attempt_id,
    )


async def asked_and_carried(parts: Parts, student_id: str) -> UUID:
    attempt_id = await parts.ask(student_id)
    await parts.carry()
    return attempt_id
