"""The library over every state of a record."""

from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.events import Reason, Verdict
from services.kit.operations import Refused
from services.library.operations import RULES
from services.library.rules import MAX_BOOKS_NAMED, LibraryRecord, Loan, assess
from tests.unit.library.records import LOAN, THESES, do, fields_of, record_of, said

pytestmark = pytest.mark.unit
LOANS = (0, 1, 2)
FINES = {(): "0.00", (("3.50", "3.50"),): "0.00", (("3.50", "3.40"), ("0.20", "0")): "0.30"}
VIOLATIONS = {(): 0, (True,): 0, (True, False): 1}
CARDS = ("none", "active", "cancelled")
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


@pytest.mark.parametrize(("loans", "fines", "violations", "card", "thesis"), STATES)
def test_every_state_passes_and_explains_itself_as_the_guide_says(
    loans: int, fines: tuple[tuple[str, str], ...], violations: tuple[bool, ...], card: str, thesis: str
) -> None:
    debt, open_violations = FINES[fines], VIOLATIONS[violations]
    borrowing, paper = assess(record_of(loans, fines, violations, card, thesis)).checks

    passes = (loans, debt, open_violations, card) == (0, "0.00", 0, "cancelled")
    assert borrowing.verdict is (Verdict.CLEAR if passes else Verdict.BLOCKED)
    assert said(borrowing) == expected_borrowing(loans, debt, open_violations, card)
    listed = borrowing.facts.pop("loans", [])
    assert isinstance(listed, list)
    assert len(listed) == loans
    assert borrowing.facts == {
        "unreturned_count": loans,
        "debt": debt,
        "violation_count": open_violations,
        "card": card,
    }
    assert paper.verdict is (Verdict.CLEAR if thesis == "approved" else Verdict.BLOCKED)
    assert said(paper) == ([] if thesis == "approved" else [(f"thesis-{thesis}", {})])
    assert paper.facts == {"thesis": thesis}


def test_the_books_that_are_out_are_named_due_first_and_no_more_than_a_page_can_list() -> None:
    loans = [Loan(barcode=f"B{n}", title=f"书{n}", due_on=date(2026, 6, 30) - timedelta(days=n)) for n in range(30)]
    (borrowing, _) = assess(LibraryRecord(loans=tuple(loans))).checks
    listed = borrowing.facts["loans"]
    assert isinstance(listed, list)
    assert listed[0] == {"title": "书29", "due_on": "2026-06-01"}
    assert len(listed) == MAX_BOOKS_NAMED
    assert borrowing.facts["unreturned_count"] == 30


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
