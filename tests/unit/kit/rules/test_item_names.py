"""One item has one name, however it is spelled, and is shown as it was first written."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.events import Reason
from services.dorm.operations import RULES as DORM
from services.finance.operations import RULES as FINANCE
from services.kit.department.refusals import words_of
from services.kit.manifests import discover
from services.kit.operations import Refused
from services.kit.rules.collections import NAME_IN_ANOTHER_CASE, find_by_key
from services.kit.rules.department_rules import DepartmentRules
from services.kit.rules.fields import item_key
from services.kit.rules.visible_text import STORED
from services.library.operations import RULES as LIBRARY

pytestmark = pytest.mark.unit

STUDENT = "TS20260001"
CHARGE = {"charge_id": "Cx-1", "year": "2025", "name": "学费", "amount": "1000.00"}
LOAN = {"barcode": "Bk01", "title": "矿井通风", "due_on": "2026-06-20"}
SAME_CHARGE = ["Cx-1", " Cx-1 ", "Ｃｘ－１", "cx-1", "CX-1", "ｃｘ－１"]
SAME_BARCODE = ["Bk01", " Bk01\u3000", "Ｂｋ０１", "BK01", "ｂｋ０１"]


def done(rules: DepartmentRules[Any], record: Any, act: str, /, **body: Any) -> Any:
    operation = next(one for one in rules.operations if one.name == act)
    return operation.apply(record, operation.body.model_validate({"student_id": STUDENT, **body}))[0]


def row(rules: DepartmentRules[Any], record: Any, /, **cells: Any) -> Any:
    return rules.apply_row(record, rules.import_row.model_validate({"student_id": STUDENT, **cells}))


def put(rules: DepartmentRules[Any], **fields: Any) -> Any:
    return rules.record.model_validate(fields)


@pytest.mark.parametrize(
    ("text", "same"),
    [("Ａ0307", "a0307"), ("梅苑 1楼", "梅苑１楼"), (" C-1", "c-1"), ("C\u30001", "C1")],
)
def test_names_that_differ_in_width_case_or_spacing_are_alike(text: str, same: str) -> None:
    assert item_key(text) == item_key(same)


def test_names_of_other_letters_are_not() -> None:
    assert len({item_key(text) for text in ("0307", "307", "C-1", "C1", "梅苑1楼", "兰苑1楼")}) == 6
    assert item_key("ab", "c") != item_key("a", "bc")


@pytest.mark.parametrize("spelled", SAME_CHARGE)
def test_a_payment_finds_its_charge_at_the_desk_and_in_a_file(spelled: str) -> None:
    charged = done(FINANCE, FINANCE.record(), "charge", **CHARGE)
    at_the_desk = done(FINANCE, charged, "payment", charge_id=spelled, amount="1000.00")
    in_a_file = row(FINANCE, charged, **{**CHARGE, "charge_id": spelled, "paid": "1000.00"})
    for paid in (at_the_desk, in_a_file):
        assert FINANCE.assess(paid).clear
        assert [charge.charge_id for charge in paid.charges] == ["Cx-1"]


@pytest.mark.parametrize("spelled", SAME_CHARGE)
def test_a_charge_that_is_on_record_is_not_booked_twice(spelled: str) -> None:
    charged = done(FINANCE, FINANCE.record(), "charge", **CHARGE)
    assert done(FINANCE, charged, "charge", **{**CHARGE, "charge_id": spelled}) == charged
    assert row(FINANCE, charged, **{**CHARGE, "charge_id": spelled}) == charged


@pytest.mark.parametrize("spelled", SAME_BARCODE)
def test_a_book_comes_back_under_any_spelling_of_its_barcode(spelled: str) -> None:
    lent = done(LIBRARY, LIBRARY.record(), "loan", **LOAN)
    assert done(LIBRARY, lent, "loan", **{**LOAN, "barcode": spelled}) == lent
    assert done(LIBRARY, lent, "return", barcode=spelled).loans == ()
    assert row(LIBRARY, lent, loan_barcode=spelled, loan_returned="yes").loans == ()
    assert row(LIBRARY, lent, loan_barcode=spelled, loan_title=LOAN["title"], loan_due_on=LOAN["due_on"]) == lent


@pytest.mark.parametrize("spelled", ["F-a", "ｆ－Ａ", "f-a"])
def test_a_fine_is_paid_under_any_spelling_of_its_id(spelled: str) -> None:
    fined = done(LIBRARY, LIBRARY.record(), "fine", fine_id="F-A", amount="3.00")
    assert done(LIBRARY, fined, "payment", fine_id=spelled, amount="3.00").debt == 0
    assert row(LIBRARY, fined, fine_id=spelled, fine_amount="3.00", fine_paid="3.00").debt == 0


def test_two_items_whose_ids_differ_in_case_and_whose_content_differs_are_not_made_one() -> None:
    charged = done(FINANCE, FINANCE.record(), "charge", **CHARGE)
    lent = done(LIBRARY, LIBRARY.record(), "loan", **LOAN)
    fined = done(LIBRARY, LIBRARY.record(), "fine", fine_id="F-A", amount="3.00")
    for rules, record, cells in (
        (FINANCE, charged, {**CHARGE, "charge_id": "CX-1", "year": "2026"}),
        (FINANCE, charged, {**CHARGE, "charge_id": "CX-1", "name": "住宿费"}),
        (LIBRARY, lent, {"loan_barcode": "BK01", "loan_title": "另一本", "loan_due_on": "2026-06-20"}),
        (LIBRARY, lent, {"loan_barcode": "BK01", "loan_title": "另一本", "loan_returned": "yes", "loan_due_on": None}),
        (LIBRARY, fined, {"fine_id": "f-a", "fine_amount": "5.00"}),
    ):
        with pytest.raises(Refused) as refused:
            row(rules, record, **cells)
        assert refused.value.reason == Reason(code=NAME_IN_ANOTHER_CASE.code)
        words = words_of(discover()[rules.name], refused.value.reason.code)
        assert words is not None
        assert refused.value.remedy is not None


def test_of_two_items_that_were_stored_under_names_alike_each_is_found_by_its_own() -> None:
    document = {"charges": [{**CHARGE, "student_id": STUDENT}, {**CHARGE, "student_id": STUDENT, "charge_id": "CX-1"}]}
    with pytest.raises(ValidationError):
        put(FINANCE, **document)
    stored = FINANCE.record.model_validate(document, context=STORED)
    for spelled in ("Cx-1", "CX-1"):
        found = find_by_key(stored.charges, charge_id=spelled)
        assert found is not None
        assert found.charge_id == spelled


@pytest.mark.parametrize(
    ("rules", "document"),
    [
        (LIBRARY, {"loans": [LOAN, {**LOAN, "barcode": "ＢＫ０１"}]}),
        (FINANCE, {"charges": [{**CHARGE, "student_id": STUDENT, "charge_id": name} for name in ("C1", "c1")]}),
        (
            DORM,
            {"residences": [{"campus": "南湖", "building": "梅苑1楼", "room": name} for name in ("A0307", "Ａ0307")]},
        ),
    ],
)
def test_a_whole_record_may_not_have_an_item_twice_under_two_spellings(
    rules: DepartmentRules[Any], document: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError) as twice:
        put(rules, **document)
    assert "two items have the same" in str(twice.value)


@pytest.mark.parametrize("room", ["A0307", "Ａ0307", "a0307", " A0307 ", "A 0307"])
def test_a_residence_is_closed_under_any_spelling_and_keeps_its_first(room: str) -> None:
    place = {"campus": "南湖校区", "building": "梅苑1楼", "room": "A0307"}
    lives = done(DORM, DORM.record(), "assign", **place)
    assert done(DORM, lives, "assign", **{**place, "room": room}) == lives
    out = {"checked_out_on": "2026-06-05", "handler": "周管理"}
    for left in (
        row(DORM, lives, **{**place, "room": room}, **out),
        done(DORM, lives, "check-out", **{**place, "room": room}, **out),
    ):
        assert DORM.assess(left).clear
        assert [residence.room for residence in left.residences] == ["A0307"]
