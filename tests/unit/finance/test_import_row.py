"""Rows of the finance office's own system."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.finance.import_row import FinanceRow
from services.finance.rules import FinanceRecord, assess
from services.kit.operations import Refused
from tests.unit.finance.records import CHARGE, STUDENT, row

pytestmark = pytest.mark.unit


@given(st.integers(min_value=0, max_value=999_999_999))
def test_every_amount_a_charge_can_have_survives_a_parser_that_goes_through_floats(cents: int) -> None:
    written = f"{cents // 100}.{cents % 100:02d}"
    cells = {"student_id": STUDENT, **CHARGE, "amount": "9999999.99", "paid": json.loads(written)}
    assert FinanceRow.model_validate(cells).paid == Decimal(written)


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
