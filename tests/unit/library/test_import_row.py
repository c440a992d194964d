"""Rows of the library's own system."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from schemas.events import Verdict
from services.kit.operations import Refused
from services.library.rules import Card, LibraryRecord, Thesis, assess
from tests.unit.library.records import fields_of, row, said

pytestmark = pytest.mark.unit


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
