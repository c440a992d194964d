"""The finance office's desk: every operation, and any history of them."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import Reason
from services.finance.rules import FinanceRecord, assess
from services.kit.operations import Refused
from tests.unit.finance.records import CHARGE, do, done, record_of, refusal

pytestmark = pytest.mark.unit


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
