"""The library's desk: every operation, and any history of them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import Reason
from services.kit.operations import Refused
from services.library.rules import Card, Fine, LibraryRecord, Loan, Thesis, Violation, assess
from tests.unit.library.records import ACTS, LOAN, THESES, do, done, fields_of, refusal, said

pytestmark = pytest.mark.unit


def test_a_book_lent_and_returned_leaves_the_record_as_it_was() -> None:
    lent, cause = do(LibraryRecord(), "loan", **LOAN)
    assert cause == Reason(code="book-lent", parameters={"title": "矿井通风"})
    assert [loan.barcode for loan in lent.loans] == ["B1"]
    returned, cause = do(lent, "return", barcode="B1")
    assert cause == Reason(code="book-returned", parameters={"title": "矿井通风"})
    assert returned == LibraryRecord()


@pytest.mark.parametrize(("card", "code"), [("cancelled", "loan-on-cancelled-card"), ("none", "card-none")])
def test_a_book_is_lent_on_a_live_card_only(card: str, code: str) -> None:
    assert refusal(LibraryRecord(card=Card(card)), "loan", **LOAN) == (code, None)


def test_a_card_issued_again_can_borrow_again() -> None:
    record = done(LibraryRecord(card=Card.CANCELLED), "issue-card")
    assert len(done(record, "loan", **LOAN).loans) == 1


def test_a_fine_is_paid_in_parts_to_the_cent_and_not_beyond() -> None:
    record = done(LibraryRecord(), "fine", fine_id="F1", amount="0.30")
    record = done(done(record, "payment", fine_id="F1", amount=0.1), "payment", fine_id="F1", amount="0.1")
    assert record.debt == Decimal("0.10")
    with pytest.raises(Refused) as refused:
        do(record, "payment", fine_id="F1", amount="0.11")
    assert refused.value.reason == Reason(code="overpayment", parameters={"due": "0.10"})
    assert refused.value.field == "amount"
    assert done(record, "payment", fine_id="F1", amount="0.10").debt == 0


def test_a_violation_settled_speaks_no_more() -> None:
    record = done(LibraryRecord(card=Card.CANCELLED), "violation", violation_id="V1", text="喧哗")
    assert said(assess(record).checks[0]) == [("violation-open", {"count": 1})]
    assert said(assess(done(record, "settle-violation", violation_id="V1")).checks[0]) == []


def test_what_the_desk_cannot_know_is_refused_by_name() -> None:
    lent = done(LibraryRecord(), "loan", **LOAN)
    fined = done(LibraryRecord(), "fine", fine_id="F1", amount="1")
    noted = done(LibraryRecord(), "violation", violation_id="V1", text="喧哗")
    assert refusal(lent, "loan", **{**LOAN, "title": "另一本"}) == ("loan-exists", "barcode")
    assert refusal(lent, "return", barcode="B2") == ("loan-unknown", "barcode")
    assert refusal(fined, "fine", fine_id="F1", amount="2") == ("fine-exists", "fine_id")
    for operation in ("payment", "refund", "correction"):
        assert refusal(fined, operation, fine_id="F2", amount="1") == ("fine-unknown", "fine_id")
    assert refusal(noted, "violation", violation_id="V1", text="别的") == ("violation-exists", "violation_id")
    assert refusal(noted, "settle-violation", violation_id="V2") == ("violation-unknown", "violation_id")


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("loan", LOAN),
        ("fine", {"fine_id": "F1", "amount": "1"}),
        ("violation", {"violation_id": "V1", "text": "喧哗"}),
    ],
)
def test_a_full_record_takes_no_more_of_a_kind(operation: str, body: dict[str, Any]) -> None:
    full = LibraryRecord(
        loans=tuple(Loan.model_validate({**LOAN, "barcode": f"X{number}"}) for number in range(200)),
        fines=tuple(Fine(fine_id=f"X{number}", amount=Decimal(1)) for number in range(200)),
        violations=tuple(Violation(violation_id=f"X{number}", text="喧哗") for number in range(200)),
    )
    assert refusal(full, operation, **body) == ("record-full", None)


def test_the_same_act_again_returns_the_very_same_record() -> None:
    record = LibraryRecord()
    for operation, body in [
        ("issue-card", {}),
        ("loan", LOAN),
        ("fine", {"fine_id": "F1", "amount": "1", "text": "超期"}),
        ("violation", {"violation_id": "V1", "text": "喧哗"}),
        ("settle-violation", {"violation_id": "V1"}),
        ("thesis-received", {}),
        ("thesis-in-review", {}),
        ("thesis-returned", {}),
    ]:
        record = done(record, operation, **body)
        assert done(record, operation, **body) is record
    approved = done(done(record, "thesis-received"), "thesis-approved")
    assert done(approved, "thesis-approved") is approved


NOT_RECEIVED, APPROVED = "thesis-not-received", "thesis-already-approved"
STEPS = {
    "none": ("submitted", NOT_RECEIVED, NOT_RECEIVED, NOT_RECEIVED),
    "not-submitted": ("submitted", NOT_RECEIVED, NOT_RECEIVED, NOT_RECEIVED),
    "submitted": ("submitted", "in-review", "returned", "approved"),
    "in-review": ("thesis-under-review", "in-review", "returned", "approved"),
    "returned": ("submitted", NOT_RECEIVED, "returned", NOT_RECEIVED),
    "approved": (APPROVED, APPROVED, "returned", "approved"),
}


@pytest.mark.parametrize(
    ("before", "act", "after"),
    [(before, act, after) for before, ends in STEPS.items() for act, after in zip(ACTS, ends, strict=True)],
)
def test_a_thesis_goes_through_its_states_or_is_refused(before: str, act: str, after: str) -> None:
    record = LibraryRecord(thesis=Thesis(before))
    if after in THESES:
        assert do(record, act) == (LibraryRecord(thesis=Thesis(after)), Reason(code=act))
    else:
        assert refusal(record, act) == (after, None)


@pytest.mark.parametrize(
    ("operation", "body", "field"),
    [
        ("loan", {**LOAN, "due_on": "20260620"}, "due_on"),
        ("loan", {**LOAN, "due_on": 1781913600}, "due_on"),
        ("loan", {**LOAN, "due_on": "1781913600"}, "due_on"),
        ("loan", {**LOAN, "due_on": "0206-06-20"}, "due_on"),
        ("loan", {**LOAN, "title": " "}, "title"),
        ("loan", {**LOAN, "title": "a\x00b"}, "title"),
        ("loan", {**LOAN, "barcode": ""}, "barcode"),
        ("fine", {"fine_id": "F1", "amount": "0"}, "amount"),
        ("fine", {"fine_id": "F1", "amount": "-1"}, "amount"),
        ("fine", {"fine_id": "F1", "amount": "1.005"}, "amount"),
        ("fine", {"fine_id": "F1", "amount": "NaN"}, "amount"),
        ("fine", {"fine_id": "F1", "amount": True}, "amount"),
        ("fine", {"fine_id": "F1", "amount": "10000000"}, "amount"),
        ("payment", {"fine_id": "F1"}, "amount"),
        ("issue-card", {"student_id": "x"}, "student_id"),
        ("issue-card", {"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named(operation: str, body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        do(LibraryRecord(), operation, **body)
    assert fields_of(wrong.value) == {field}


def test_a_fine_is_overpaid_on_purpose_and_refunded_exactly() -> None:
    record = done(LibraryRecord(card=Card.CANCELLED), "fine", fine_id="F1", amount="5")
    record = done(record, "payment", fine_id="F1", amount="6", allow_overpayment=True)
    assert assess(record).checks[0].facts["overpaid"] == "1.00"
    assert refusal(record, "refund", fine_id="F1", amount="1.01") == ("refund-too-large", "amount")
    refunded, cause = do(record, "refund", fine_id="F1", amount="1")
    assert cause == Reason(code="fine-refunded", parameters={"amount": "1.00"})
    assert "overpaid" not in assess(refunded).checks[0].facts


def test_a_fine_corrected_to_nothing_leaves_what_was_paid_of_it_to_refund() -> None:
    record = done(LibraryRecord(card=Card.CANCELLED), "fine", fine_id="F1", amount="5")
    record = done(record, "payment", fine_id="F1", amount="2")
    corrected, cause = do(record, "correction", fine_id="F1", amount="0")
    assert cause == Reason(code="fine-corrected", parameters={"amount": "0.00"})
    assert (corrected.debt, corrected.overpaid) == (Decimal(0), Decimal(2))


ids = st.sampled_from(["1", "2"])
cents = st.integers(min_value=1, max_value=500).map(lambda number: f"{number // 100}.{number % 100:02d}")
acts = st.one_of(
    st.builds(lambda i: ("loan", {**LOAN, "barcode": i}), ids),
    st.builds(lambda i: ("return", {"barcode": i}), ids),
    st.builds(lambda i, amount: ("fine", {"fine_id": i, "amount": amount}), ids, cents),
    st.builds(
        lambda i, amount, over: ("payment", {"fine_id": i, "amount": amount, "allow_overpayment": over}),
        ids,
        cents,
        st.booleans(),
    ),
    st.builds(
        lambda operation, i, amount: (operation, {"fine_id": i, "amount": amount}),
        st.sampled_from(["refund", "correction"]),
        ids,
        cents,
    ),
    st.builds(lambda i: ("violation", {"violation_id": i, "text": "喧哗"}), ids),
    st.builds(lambda i: ("settle-violation", {"violation_id": i}), ids),
    st.sampled_from([(name, {}) for name in ("issue-card", "cancel-card", *ACTS)]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(acts, max_size=30))
def test_no_history_of_the_desks_makes_an_amount_negative_or_a_record_invalid(
    history: list[tuple[str, dict[str, Any]]],
) -> None:
    record = LibraryRecord()
    for operation, body in history:
        try:
            record = done(record, operation, **body)
        except Refused:
            continue
        borrowing, _ = assess(record).checks
        assert all(fine.due >= 0 <= fine.overpaid for fine in record.fines)
        assert all(fine.paid + fine.due - fine.overpaid == fine.amount for fine in record.fines)
        assert str(borrowing.facts["debt"]) == str(record.debt)
        assert LibraryRecord.model_validate_json(record.model_dump_json()) == record
