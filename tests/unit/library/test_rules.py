"""The library over every state of a record, and over any history of its desks."""

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import CheckStatus, Reason, Verdict
from services.kit.operations import Refused
from services.library.import_row import LibraryRow, apply_row
from services.library.operations import RULES
from services.library.rules import Card, Fine, LibraryRecord, Loan, Thesis, Violation, assess

pytestmark = pytest.mark.unit

STUDENT = "TS20267001"
OPERATIONS = {operation.name: operation for operation in RULES.operations}
LOAN = {"barcode": "B1", "title": "矿井通风", "due_on": "2026-06-20"}


def do(record: LibraryRecord, operation: str, **body: Any) -> tuple[LibraryRecord, Reason]:
    chosen = OPERATIONS[operation]
    return chosen.apply(record, chosen.body.model_validate({"student_id": STUDENT, **body}))


def done(record: LibraryRecord, operation: str, **body: Any) -> LibraryRecord:
    return do(record, operation, **body)[0]


def refusal(record: LibraryRecord, operation: str, **body: Any) -> tuple[str, str | None]:
    with pytest.raises(Refused) as refused:
        do(record, operation, **body)
    return refused.value.reason.code, refused.value.field


def row(record: LibraryRecord, **cells: Any) -> LibraryRecord:
    return apply_row(record, LibraryRow.model_validate({"student_id": STUDENT, **cells}))


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


LOANS = (0, 1, 2)
FINES = {(): "0.00", (("3.50", "3.50"),): "0.00", (("3.50", "3.40"), ("0.20", "0")): "0.30"}
VIOLATIONS = {(): 0, (True,): 0, (True, False): 1}
CARDS = ("none", "active", "cancelled")
THESES = ("none", "not-submitted", "submitted", "in-review", "returned", "approved")
STATES = list(product(LOANS, FINES, VIOLATIONS, CARDS, THESES))


def expected_borrowing(loans: int, debt: str, violations: int, card: str) -> list[tuple[str, dict[str, str | int]]]:
    """The guide's table, written a second time: what speaks against 图书馆-图书借阅."""
    open_: list[tuple[str, dict[str, str | int]]] = []
    open_ += [("books-not-returned", {"count": loans})] * (loans != 0)
    open_ += [("debt-open", {"amount": debt})] * (debt != "0.00")
    open_ += [("violation-open", {"count": violations})] * (violations != 0)
    if card == "none":
        return [*open_, ("card-unknown", {})]
    return open_ if card == "cancelled" or open_ else [("card-not-cancelled", {})]


def said(check: CheckStatus) -> list[tuple[str, dict[str, str | int]]]:
    return [(reason.code, reason.parameters) for reason in check.reasons]


@pytest.mark.parametrize(("loans", "fines", "violations", "card", "thesis"), STATES)
def test_every_state_passes_and_explains_itself_as_the_guide_says(
    loans: int, fines: tuple[tuple[str, str], ...], violations: tuple[bool, ...], card: str, thesis: str
) -> None:
    debt, open_violations = FINES[fines], VIOLATIONS[violations]
    borrowing, paper = assess(record_of(loans, fines, violations, card, thesis)).checks

    passes = (loans, debt, open_violations, card) == (0, "0.00", 0, "cancelled")
    assert borrowing.verdict is (Verdict.CLEAR if passes else Verdict.BLOCKED)
    assert said(borrowing) == expected_borrowing(loans, debt, open_violations, card)
    assert borrowing.facts == {
        "unreturned_count": loans,
        "debt": debt,
        "violation_count": open_violations,
        "card": card,
    }
    assert paper.verdict is (Verdict.CLEAR if thesis == "approved" else Verdict.BLOCKED)
    assert said(paper) == ([] if thesis == "approved" else [(f"thesis-{thesis}", {})])
    assert paper.facts == {"thesis": thesis}


@pytest.mark.parametrize(("loans", "fines", "violations", "card"), list(product(LOANS, FINES, VIOLATIONS, CARDS)))
@pytest.mark.parametrize("by", ["student", "desk"])
def test_a_card_is_cancelled_exactly_when_nothing_else_is_open(
    by: str, loans: int, fines: tuple[tuple[str, str], ...], violations: tuple[bool, ...], card: str
) -> None:
    record = record_of(loans, fines, violations, card, "approved")
    nothing_open = loans == 0 and FINES[fines] == "0.00" and VIOLATIONS[violations] == 0

    def cancel() -> tuple[LibraryRecord, Reason]:
        return RULES.commands["cancel-card"](record) if by == "student" else do(record, "cancel-card")

    if card == "cancelled":
        assert cancel() == (record, Reason(code="card-cancelled"))
        assert cancel()[0] is record
    elif card == "active" and nothing_open:
        assert assess(cancel()[0]).clear
    else:
        with pytest.raises(Refused) as refused:
            cancel()
        reason = refused.value.reason
        if card == "none":
            assert reason == Reason(code="card-none")
        else:
            parameters = {"count": loans, "amount": FINES[fines], "violations": VIOLATIONS[violations]}
            assert reason == Reason(code="card-still-needed", parameters=parameters)


def test_nothing_on_record_is_a_live_card_and_no_thesis() -> None:
    borrowing, thesis = assess(LibraryRecord()).checks
    assert said(borrowing) == [("card-not-cancelled", {})]
    assert said(thesis) == [("thesis-none", {})]


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
ACTS = ("thesis-received", "thesis-in-review", "thesis-returned", "thesis-approved")


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


@pytest.mark.parametrize(
    "body",
    [
        {"loans": [LOAN, {**LOAN, "title": "另一本"}]},
        {"fines": [{"fine_id": "F1", "amount": "1", "paid": "-0.01"}]},
        {"violations": [{"violation_id": "V1", "text": "喧哗"}] * 2},
        {"card": "lost"},
        {"thesis": ""},
    ],
)
def test_a_record_that_contradicts_itself_is_refused_by_field(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as wrong:
        LibraryRecord.model_validate(body)
    assert fields_of(wrong.value) == set(body)


def test_a_row_of_strings_updates_each_thing_it_speaks_of_and_no_other() -> None:
    record = row(LibraryRecord(), card="active", thesis="in-review", loan_barcode="", fine_id=" ")
    assert (record.card, record.thesis, record.loans, record.fines) == (Card.ACTIVE, Thesis.IN_REVIEW, (), ())
    record = row(record, loan_barcode="B1", loan_title="矿井通风", loan_due_on="2026-06-20", loan_returned="no")
    record = row(record, fine_id="F1", fine_amount="3.5", fine_paid="1")
    assert (len(record.loans), record.debt, record.thesis) == (1, Decimal("2.50"), Thesis.IN_REVIEW)
    record = row(record, loan_barcode="B1", loan_title="矿井通风", loan_due_on="2026-07-20")
    assert [str(loan.due_on) for loan in record.loans] == ["2026-07-20"]
    record = row(record, loan_barcode="B1", loan_returned="yes")
    record = row(record, fine_id="F1", fine_amount="3.50", fine_paid="3.50")
    assert not record.loans
    assert record.debt == 0


@pytest.mark.parametrize(
    "cells",
    [
        {"card": "cancelled", "thesis": "approved"},
        {"loan_barcode": "B1", "loan_title": "矿井通风", "loan_due_on": "2026-06-20"},
        {"loan_barcode": "B1", "loan_returned": "yes"},
        {"fine_id": "F1", "fine_amount": "3.50", "fine_paid": "1.00"},
        {"fine_id": "F1", "fine_amount": "3.50"},
        {},
    ],
)
def test_the_same_row_again_changes_nothing(cells: dict[str, str]) -> None:
    once = row(LibraryRecord(), **cells)
    assert row(once, **cells) is once


def test_cells_of_a_spreadsheet_come_typed() -> None:
    record = row(LibraryRecord(), loan_barcode=42871, loan_title=1984, loan_due_on="2026-06-20 00:00:00")
    assert [(loan.barcode, loan.title) for loan in record.loans] == [("42871", "1984")]


@pytest.mark.parametrize(
    ("cells", "fields"),
    [
        ({"loan_barcode": "B1"}, {"loan_title", "loan_due_on"}),
        ({"loan_title": "矿井通风"}, {"loan_title"}),
        ({"fine_id": "F1"}, {"fine_amount"}),
        ({"fine_amount": "1"}, {"fine_amount"}),
        ({"fine_id": "F1", "fine_amount": "1", "fine_paid": "1.001"}, {"fine_paid"}),
        ({"card": "lost"}, {"card"}),
        ({"loan_barcode": "B1", "loan_returned": "maybe"}, {"loan_returned", "loan_title", "loan_due_on"}),
        ({"shelf": "7"}, {"shelf"}),
    ],
)
def test_a_wrong_cell_is_named(cells: dict[str, str], fields: set[str]) -> None:
    with pytest.raises(ValidationError) as wrong:
        row(LibraryRecord(), **cells)
    assert fields_of(wrong.value) == fields


def test_a_payment_taken_back_in_the_librarys_own_system_is_due_again() -> None:
    record = row(LibraryRecord(), fine_id="F1", fine_amount="5", fine_paid="4")
    assert row(record, fine_id="F1", fine_amount="5", fine_paid="0").debt == Decimal(5)


@pytest.mark.parametrize(
    ("cells", "overpaid"),
    [
        ({"fine_amount": "3"}, "1.00"),
        ({"fine_amount": "5", "fine_paid": "7.5"}, "2.50"),
        ({"fine_amount": "0"}, "4.00"),
        ({"fine_amount": "0", "fine_paid": "0"}, None),
    ],
)
def test_a_row_that_overpays_a_fine_or_lowers_it_ends_the_debt(cells: dict[str, str], overpaid: str | None) -> None:
    record = row(LibraryRecord(card=Card.CANCELLED), fine_id="F1", fine_amount="5", fine_paid="4")
    assert said(assess(record).checks[0]) == [("debt-open", {"amount": "1.00"})]
    once = row(record, fine_id="F1", **cells)
    borrowing = assess(once).checks[0]
    assert borrowing.verdict is Verdict.CLEAR
    assert (borrowing.facts["debt"], borrowing.facts.get("overpaid")) == ("0.00", overpaid)
    assert row(once, fine_id="F1", **cells) is once


@pytest.mark.parametrize("field", ["fine_amount", "fine_paid"])
def test_a_row_with_an_amount_below_zero_is_refused_by_field(field: str) -> None:
    with pytest.raises(Refused) as refused:
        row(LibraryRecord(), **{"fine_id": "F1", "fine_amount": "5", field: "-0.01"})
    assert (refused.value.reason.code, refused.value.field) == ("negative-amount", field)


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
