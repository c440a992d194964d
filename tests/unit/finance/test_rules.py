"""The finance office: exact money over every state of a charge, and over any history of its desks."""

import json
from decimal import Decimal
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import Reason, Verdict
from services.finance.import_row import FinanceRow, apply_row
from services.finance.operations import RULES, ChargeBody
from services.finance.rules import FinanceRecord, assess
from services.kit.operations import Refused

pytestmark = pytest.mark.unit

STUDENT = "TS20267004"
OPERATIONS = {operation.name: operation for operation in RULES.operations}
CHARGE = {"charge_id": "C1", "year": "2019", "name": "学分学费", "amount": "550"}


def do(record: FinanceRecord, operation: str, **body: Any) -> tuple[FinanceRecord, Reason]:
    chosen = OPERATIONS[operation]
    return chosen.apply(record, chosen.body.model_validate({"student_id": STUDENT, **body}))


def done(record: FinanceRecord, operation: str, **body: Any) -> FinanceRecord:
    return do(record, operation, **body)[0]


def refusal(record: FinanceRecord, operation: str, **body: Any) -> tuple[Reason, str | None]:
    with pytest.raises(Refused) as refused:
        do(record, operation, **body)
    return refused.value.reason, refused.value.field


def row(record: FinanceRecord, **cells: Any) -> FinanceRecord:
    return apply_row(record, FinanceRow.model_validate({"student_id": STUDENT, **cells}))


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
def test_the_guides_three_charges_make_682_40_exactly(amounts: tuple[Any, ...]) -> None:
    record = FinanceRecord()
    for number, amount in enumerate(amounts):
        sent = json.dumps({"student_id": STUDENT, **CHARGE, "charge_id": f"C{number}", "amount": amount})
        through_floats = ChargeBody.model_validate(json.loads(sent))
        assert ChargeBody.model_validate_json(sent) == through_floats
        record, _ = OPERATIONS["charge"].apply(record, through_floats)
    (check,) = assess(record).checks
    assert check.facts["total"] == "682.40"
    assert check.reasons == (Reason(code="arrears", parameters={"count": 3, "total": "682.40"}),)
    for number, amount in enumerate(amounts):
        record = done(record, "payment", charge_id=f"C{number}", amount=amount)
    assert assess(record).clear


@given(st.integers(min_value=0, max_value=999_999_999))
def test_every_amount_a_charge_can_have_survives_a_parser_that_goes_through_floats(cents: int) -> None:
    written = f"{cents // 100}.{cents % 100:02d}"
    cells = {"student_id": STUDENT, **CHARGE, "amount": "9999999.99", "paid": json.loads(written)}
    assert FinanceRow.model_validate(cells).paid == Decimal(written)


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


def test_a_charge_is_paid_and_waived_in_parts_and_never_beyond() -> None:
    record, cause = do(FinanceRecord(), "charge", **CHARGE)
    assert cause == Reason(code="charged", parameters={"name": "学分学费", "amount": "550.00"})
    record, cause = do(record, "payment", charge_id="C1", amount="500")
    assert cause == Reason(code="paid", parameters={"name": "学分学费", "amount": "500.00"})
    record, cause = do(record, "waiver", charge_id="C1", amount="49.9")
    assert cause == Reason(code="waived", parameters={"name": "学分学费", "amount": "49.90"})
    for operation in ("payment", "waiver"):
        over = Reason(code="overpayment", parameters={"due": "0.10"})
        assert refusal(record, operation, charge_id="C1", amount="0.11") == (over, "amount")
        assert assess(done(record, operation, charge_id="C1", amount="0.10")).clear


def test_what_the_desk_cannot_know_is_refused_by_name() -> None:
    charged = done(FinanceRecord(), "charge", **CHARGE)
    for other in ({"year": "2020"}, {"name": "代收取暖费"}, {"amount": "551"}):
        assert refusal(charged, "charge", **{**CHARGE, **other}) == (Reason(code="charge-exists"), "charge_id")
    for operation in ("payment", "waiver", "refund", "correction"):
        assert refusal(charged, operation, charge_id="C2", amount="1") == (Reason(code="charge-unknown"), "charge_id")


def test_a_charge_sent_again_changes_nothing_even_when_it_was_paid_since() -> None:
    paid = done(done(FinanceRecord(), "charge", **CHARGE), "payment", charge_id="C1", amount="550")
    assert done(paid, "charge", **CHARGE) is paid


def test_a_full_record_takes_no_more_charges() -> None:
    full = record_of(*[("1", "1", "0")] * 200)
    assert refusal(full, "charge", **{**CHARGE, "charge_id": "X"})[0] == Reason(
        code="record-full", parameters={"limit": 200}
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "-0.01"}, "amount"),
        ({"amount": "72.405"}, "amount"),
        ({"amount": "10000000"}, "amount"),
        ({"amount": "Infinity"}, "amount"),
        ({"amount": "六十"}, "amount"),
        ({"amount": False}, "amount"),
        ({"year": "19"}, "year"),
        ({"year": 2019}, "year"),
        ({"charge_id": "C 1"}, "charge_id"),
        ({"name": ""}, "name"),
        ({"currency": "CNY"}, "currency"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        do(FinanceRecord(), "charge", **{**CHARGE, **body})
    assert [problem["loc"] for problem in wrong.value.errors()] == [(field,)]


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


@pytest.mark.parametrize("operation", ["payment", "waiver"])
def test_more_than_is_due_is_taken_only_when_it_is_meant(operation: str) -> None:
    paid = done(done(FinanceRecord(), "charge", **CHARGE), "payment", charge_id="C1", amount="500")
    over = Reason(code="overpayment", parameters={"due": "50.00"})
    assert refusal(paid, operation, charge_id="C1", amount="60") == (over, "amount")
    record = done(paid, operation, charge_id="C1", amount="60", allow_overpayment=True)
    assert (record.charges[0].due, record.charges[0].overpaid) == (Decimal(0), Decimal(10))


def test_a_waiver_is_never_more_than_was_charged_nor_a_payment_more_than_an_amount_can_be() -> None:
    charged = done(done(FinanceRecord(), "charge", **CHARGE), "waiver", charge_id="C1", amount="50")
    over: dict[str, Any] = {"charge_id": "C1", "allow_overpayment": True}
    most = Reason(code="waiver-too-large", parameters={"most": "500.00"})
    assert refusal(charged, "waiver", **over, amount="500.01") == (most, "amount")
    full = done(charged, "payment", **over, amount="9999999.99")
    assert refusal(full, "payment", **over, amount="0.01")[0].code == "overpayment"
    assert FinanceRecord.model_validate_json(full.model_dump_json()) == full


def test_a_refund_gives_back_what_is_overpaid_and_never_makes_a_debt() -> None:
    record = record_of(("550", "600", "0"))
    too_large = Reason(code="refund-too-large", parameters={"overpaid": "50.00"})
    assert refusal(record, "refund", charge_id="C0", amount="50.01") == (too_large, "amount")
    record, cause = do(record, "refund", charge_id="C0", amount="50")
    assert cause == Reason(code="refunded", parameters={"name": "学分学费", "amount": "50.00"})
    assert assess(record).checks[0].facts == {"rows": [], "total": "0.00"}
    assert refusal(record, "refund", charge_id="C0", amount="0.01")[0].parameters == {"overpaid": "0.00"}


def test_a_corrected_charge_owes_what_it_should_have_been_down_to_nothing() -> None:
    record = done(done(FinanceRecord(), "charge", **CHARGE), "payment", charge_id="C1", amount="50")
    lowered, cause = do(record, "correction", charge_id="C1", amount="0")
    assert cause == Reason(code="corrected", parameters={"name": "学分学费", "amount": "0.00"})
    assert assess(lowered).checks[0].facts == {"rows": [], "total": "0.00", "overpaid": "50.00"}
    assert done(lowered, "correction", charge_id="C1", amount="0") is lowered
    assert done(lowered, "correction", charge_id="C1", amount="550") == record


def test_a_record_with_a_charge_twice_is_refused() -> None:
    charge = {**CHARGE, "student_id": STUDENT}
    with pytest.raises(ValidationError) as wrong:
        FinanceRecord.model_validate({"charges": [charge, charge]})
    assert [problem["loc"] for problem in wrong.value.errors()] == [("charges",)]


def test_a_row_says_how_a_charge_stands_and_again_changes_nothing() -> None:
    cells = {**CHARGE, "year": 2019, "paid": "50", "waived": ""}
    once = row(FinanceRecord(), **cells)
    assert (once.charges[0].due, once.charges[0].year) == (Decimal(500), "2019")
    assert row(once, **cells) is once
    assert row(once, **CHARGE) is once
    assert assess(row(once, **{**CHARGE, "paid": "500", "waived": "50"})).clear


def test_a_negative_zero_is_kept_as_zero() -> None:
    assert str(row(FinanceRecord(), **CHARGE, paid="-0").charges[0].paid) == "0.00"


def test_a_row_keeps_the_number_a_charge_stands_under() -> None:
    earlier = FinanceRecord.model_validate({"charges": [{**CHARGE, "student_id": "BS20221111"}]})
    assert row(earlier, **{**CHARGE, "paid": "1"}).charges[0].student_id == "BS20221111"


@pytest.mark.parametrize("cells", [{"amount": "49"}, {"paid": "551"}, {"waived": "501"}, {"amount": "0", "paid": "0"}])
def test_a_row_with_more_settled_than_charged_ends_the_older_debt(cells: dict[str, str]) -> None:
    record = row(FinanceRecord(), **CHARGE, paid="50")
    assert not assess(record).clear
    once = row(record, **{**CHARGE, **cells})
    assert assess(once).clear
    assert row(once, **{**CHARGE, **cells}) is once


@pytest.mark.parametrize("field", ["amount", "paid", "waived"])
def test_a_row_with_an_amount_below_zero_is_refused_by_field_with_what_to_do(field: str) -> None:
    with pytest.raises(Refused) as refused:
        row(FinanceRecord(), **{**CHARGE, field: "-400.00"})
    assert (refused.value.reason.code, refused.value.field) == ("negative-amount", field)
    assert "Leave this row out" in str(refused.value.remedy)


ids = st.sampled_from(["C1", "C2"])
cents = st.integers(min_value=1, max_value=300).map(lambda number: f"{number // 100}.{number % 100:02d}")
over = st.booleans()
acts = st.one_of(
    st.builds(lambda i, amount: ("charge", {**CHARGE, "charge_id": i, "amount": amount}), ids, cents),
    st.builds(
        lambda operation, i, amount, over: (
            operation,
            {"charge_id": i, "amount": amount, "allow_overpayment": over},
        ),
        st.sampled_from(["payment", "waiver"]),
        ids,
        cents,
        over,
    ),
    st.builds(
        lambda operation, i, amount: (operation, {"charge_id": i, "amount": amount}),
        st.sampled_from(["refund", "correction"]),
        ids,
        cents,
    ),
)


def in_cents(money: object) -> int:
    return int(str(money).replace(".", ""))


@settings(max_examples=150, deadline=None)
@given(st.lists(acts, max_size=30))
def test_no_history_of_the_desks_loses_a_cent_or_makes_an_amount_negative(
    history: list[tuple[str, dict[str, Any]]],
) -> None:
    record, books = FinanceRecord(), dict[str, dict[str, int]]()
    for operation, body in history:
        moved = in_cents(body["amount"])
        try:
            record = done(record, operation, **body)
        except Refused:
            continue
        book = books.setdefault(body["charge_id"], {"amount": moved, "paid": 0, "waived": 0})
        if operation == "correction":
            book["amount"] = moved
        elif operation != "charge":
            book["waived" if operation == "waiver" else "paid"] += -moved if operation == "refund" else moved
        payable = {i: max(0, each["amount"] - each["waived"]) for i, each in books.items()}
        facts = assess(record).checks[0].facts
        assert in_cents(facts["total"]) == sum(max(0, payable[i] - books[i]["paid"]) for i in books)
        assert in_cents(facts.get("overpaid", "0.00")) == sum(max(0, books[i]["paid"] - payable[i]) for i in books)
        assert FinanceRecord.model_validate_json(record.model_dump_json()) == record


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


settlements = st.tuples(st.sampled_from(["payment", "waiver", "refund"]), cents)


@settings(max_examples=150, deadline=None)
@given(st.lists(settlements, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_payments_waivers_and_refunds_does_not_change_how_a_charge_ends(
    moves: list[tuple[str, str]], chance: Random
) -> None:
    def end(moves: list[tuple[str, str]]) -> FinanceRecord | None:
        record = done(FinanceRecord(), "charge", **CHARGE)
        for operation, amount in moves:
            allowed = {} if operation == "refund" else {"allow_overpayment": True}
            try:
                record = done(record, operation, charge_id="C1", amount=amount, **allowed)
            except Refused:
                return None
        return record

    shuffled = list(moves)
    chance.shuffle(shuffled)
    ends = [end(moves), end(shuffled)]
    assert None in ends or ends[0] == ends[1]
