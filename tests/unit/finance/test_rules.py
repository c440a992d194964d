"""The finance office: exact money over every state of a charge."""

import json
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import Reason, Verdict
from services.finance.operations import ChargeBody
from services.finance.rules import FinanceRecord, assess
from tests.unit.finance.records import CHARGE, STUDENT, desk, done, record_of

pytestmark = pytest.mark.unit
KINDS = {
    ("60", "0", "0"): 6000,
    ("550", "549.99", "0"): 1,
    ("72.4", "72.4", "0"): 0,
    ("72.4", "0.1", "0.2"): 7210,
    ("0.30", "0.10", "0.20"): 0,
}
"""(amount, paid, waived) → what is due, in cents."""


@pytest.mark.parametrize("charges", [charges for count in range(4) for charges in product(KINDS, repeat=count)])
def test_it_passes_exactly_when_nothing_is_due_and_the_reason_carries_the_total(
    charges: tuple[tuple[str, str, str], ...],
) -> None:
    (check,) = assess(record_of(*charges)).checks
    due = [KINDS[charge] for charge in charges if KINDS[charge]]
    total = f"{sum(due) // 100}.{sum(due) % 100:02d}"
    assert check.verdict is (Verdict.BLOCKED if due else Verdict.CLEAR)
    expected = [Reason(code="arrears", parameters={"count": len(due), "total": total})] if due else []
    assert list(check.reasons) == expected
    assert check.facts["total"] == total
    rows = check.facts["rows"]
    assert isinstance(rows, list)
    assert rows == [
        {"student_id": STUDENT, "year": "2019", "name": "学分学费", "due": f"{cents // 100}.{cents % 100:02d}"}
        for cents in due
    ]


@pytest.mark.acceptance("S-082")
@pytest.mark.parametrize("amounts", [("60", "550", "72.4"), (60, 550, 72.4)])
def test_the_guides_three_charges_add_up_to_exactly_682_40(amounts: tuple[Any, ...]) -> None:
    record = FinanceRecord()
    for number, amount in enumerate(amounts):
        sent = json.dumps({"student_id": STUDENT, **CHARGE, "charge_id": f"C{number}", "amount": amount})
        through_floats = ChargeBody.model_validate(json.loads(sent))
        assert ChargeBody.model_validate_json(sent) == through_floats
        record, _ = desk.operations["charge"].apply(record, through_floats)
    (check,) = assess(record).checks
    assert check.facts["total"] == "682.40"
    assert check.reasons == (Reason(code="arrears", parameters={"count": 3, "total": "682.40"}),)
    for number, amount in enumerate(amounts):
        record = done(record, "payment", charge_id=f"C{number}", amount=amount)
    assert assess(record).clear


def test_nothing_charged_is_nothing_due() -> None:
    (check,) = assess(FinanceRecord()).checks
    assert check.verdict is Verdict.CLEAR
    assert check.facts == {"rows": [], "total": "0.00"}


@pytest.mark.parametrize(("count", "rows", "last"), [(20, 20, "0.10"), (21, 20, "0.20"), (200, 20, "18.10")])
def test_many_charges_are_summed_in_the_last_row_and_the_total_is_of_all(count: int, rows: int, last: str) -> None:
    (check,) = assess(record_of(*[("0.1", "0", "0")] * count)).checks
    shown = check.facts["rows"]
    assert isinstance(shown, list)
    assert isinstance(shown[-1], dict)
    assert (len(shown), shown[-1]["due"]) == (rows, last)
    of_one_charge = bool(shown[-1]["year"] or shown[-1]["student_id"])
    assert (of_one_charge, "…" in str(shown[-1]["name"])) == (count == rows, count > rows)
    assert check.facts["total"] == f"{count // 10}.{count % 10}0"
    assert check.reasons[0].parameters["count"] == count


@pytest.mark.parametrize(
    ("amount", "paid", "waived", "overpaid"),
    [
        ("550", "550.01", "0", "0.01"),
        ("550", "550", "0.01", "0.01"),
        ("550", "0", "550.01", None),
        ("0", "0", "0", None),
        ("0", "72.4", "0", "72.40"),
        ("0", "72.4", "550", "72.40"),
    ],
)
def test_a_record_with_more_settled_than_charged_is_clear_and_what_was_paid_too_much_is_a_fact(
    amount: str, paid: str, waived: str, overpaid: str | None
) -> None:
    (check,) = assess(record_of((amount, paid, waived))).checks
    assert check.verdict is Verdict.CLEAR
    assert (check.facts["total"], check.facts.get("overpaid")) == ("0.00", overpaid)


@pytest.mark.parametrize("field", ["amount", "paid", "waived"])
def test_a_record_with_an_amount_below_zero_is_refused_by_field(field: str) -> None:
    charge = {**CHARGE, "student_id": STUDENT, field: "-0.01"}
    with pytest.raises(ValidationError) as wrong:
        FinanceRecord.model_validate({"charges": [charge]})
    assert [problem["loc"] for problem in wrong.value.errors()] == [("charges", 0, field)]


def test_what_is_overpaid_on_one_charge_does_not_pay_another() -> None:
    (check,) = assess(record_of(("550", "600", "0"), ("60", "0", "0"))).checks
    assert check.verdict is Verdict.BLOCKED
    assert (check.facts["total"], check.facts["overpaid"]) == ("60.00", "50.00")


def test_a_record_with_a_charge_twice_is_refused() -> None:
    charge = {**CHARGE, "student_id": STUDENT}
    with pytest.raises(ValidationError) as wrong:
        FinanceRecord.model_validate({"charges": [charge, charge]})
    assert [problem["loc"] for problem in wrong.value.errors()] == [("charges",)]


money = st.integers(min_value=0, max_value=999_999_999).map(lambda number: f"{number // 100}.{number % 100:02d}")


@given(money, money, money)
def test_what_is_due_and_what_is_overpaid_are_never_below_zero_and_never_both(
    amount: str, paid: str, waived: str
) -> None:
    (charge,) = record_of((amount, paid, waived)).charges
    assert charge.due == max(Decimal(0), charge.amount - charge.paid - charge.waived)
    assert 0 <= charge.overpaid <= charge.paid
    assert charge.due == 0 or charge.overpaid == 0
    assert charge.paid + charge.due - charge.overpaid == charge.payable
