"""Records of the library, and what its desk does with them."""

from typing import Any

from pydantic import ValidationError

from schemas.events import CheckStatus
from services.library.operations import RULES
from services.library.rules import LibraryRecord
from tests.support.in_process.pure_desk import PureDesk

STUDENT = "TS20267001"
ACTS = ("thesis-received", "thesis-in-review", "thesis-returned", "thesis-approved")
THESES = ("none", "not-submitted", "submitted", "in-review", "returned", "approved")
LOAN = {"barcode": "B1", "title": "矿井通风", "due_on": "2026-06-20"}
desk = PureDesk(RULES, STUDENT)
do, done, row = desk.do, desk.done, desk.row


def refusal(record: LibraryRecord, operation: str, **body: Any) -> tuple[str, str | None]:
    """Its code, and the field it names."""
    reason, field = desk.refusal(record, operation, **body)
    return reason.code, field


def fields_of(error: ValidationError) -> set[str]:
    return {str(problem["loc"][0]) for problem in error.errors()}


def record_of(
    loans: int, fines: tuple[tuple[str, str], ...], violations: tuple[bool, ...], card: str, thesis: str
) -> Any:
    return LibraryRecord.model_validate(
        {
            "loans": [{**LOAN, "barcode": f"B{number}"} for number in range(loans)],
            "fines": [
                {"fine_id": f"F{number}", "amount": amount, "paid": paid} for number, (amount, paid) in enumerate(fines)
            ],
            "violations": [
                {"violation_id": f"V{number}", "text": "喧哗", "settled": settled}
                for number, settled in enumerate(violations)
            ],
            "card": card,
            "thesis": thesis,
        }
    )


def said(check: CheckStatus) -> list[tuple[str, dict[str, str | int]]]:
    return [(reason.code, reason.parameters) for reason in check.reasons]
