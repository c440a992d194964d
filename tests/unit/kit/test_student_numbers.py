"""One student, one number, at every door, and the form a university gives it."""

from collections.abc import Iterator

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from services.clearance.roster.cases import Student
from services.finance.rules import Charge
from services.gateway.identity.identity import Identity
from services.kit.http.problems import FieldProblem, of_validation
from services.kit.operations import OperationBody
from services.kit.receipts.numbers import form_number, read_form_number
from services.kit.student_numbers import NumberForm, student_number, use_number_form

pytestmark = pytest.mark.unit
SPELLINGS = ("TS20260001", "ts20260001", " TS20260001\u3000", "ｔｓ２０２６０００１")


class Body(OperationBody):
    pass


@pytest.fixture
def narrowed() -> Iterator[None]:
    use_number_form(NumberForm.of("TS[0-9]{8}", "TS20260001"))
    yield
    use_number_form(None)


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_request_may_spell_a_number_in_any_way(text: str) -> None:
    assert Body(student_id=text).student_id == "TS20260001"


@pytest.mark.parametrize("text", SPELLINGS)
def test_the_number_a_charge_is_booked_under_has_the_one_spelling_too(text: str) -> None:
    charge = {"charge_id": "C1", "student_id": text, "year": "2026", "name": "学费", "amount": "1.00"}
    assert Charge.model_validate(charge).student_id == "TS20260001"


def problem_of(text: object) -> FieldProblem:
    with pytest.raises(ValidationError) as refused:
        Body.model_validate({"student_id": text})
    errors = [{**error, "loc": ("body", *error["loc"])} for error in refused.value.errors()]
    (problem,) = of_validation(RequestValidationError(errors)).errors
    return problem


@pytest.mark.parametrize("text", ["", "TS 1", "校友2026", "TS-202６\u200b001", "TSß2201"])
def test_what_is_no_number_is_refused_with_the_field_and_the_remedy(text: str) -> None:
    problem = problem_of(text)
    assert (problem["field"], problem["problem"]) == ("/student_id", "This is not a student number")
    assert "letters, digits or hyphens" in problem["remedy"]
    assert "[" not in problem["remedy"]


def test_a_number_that_is_no_text_is_refused() -> None:
    assert problem_of(20260001)["field"] == "/student_id"


@pytest.mark.usefixtures("narrowed")
@pytest.mark.parametrize("text", ["TS202600011", "TS-20260001", "XS20260001"])
def test_a_number_of_another_form_than_the_universitys_is_refused_with_an_example(text: str) -> None:
    problem = problem_of(text)
    assert problem["field"] == "/student_id"
    assert problem["remedy"] == "Check the number; one of this university is written like TS20260001."
    assert student_number(text) is None


@pytest.mark.usefixtures("narrowed")
@pytest.mark.parametrize("text", SPELLINGS)
def test_the_form_is_that_of_the_one_spelling(text: str) -> None:
    assert Body(student_id=text).student_id == student_number(text) == "TS20260001"


@pytest.mark.usefixtures("narrowed")
def test_a_claim_of_another_form_is_no_number() -> None:
    claims = {"issuer": "i", "subject": "s", "name": None, "roles": None, "authenticated_at": "2026-06-01T00:00:00Z"}
    identity = Identity.model_validate({**claims, "student_ids": ["ts20260001", "G20260001"]})
    assert identity.student_ids == ("TS20260001",)


@pytest.mark.usefixtures("narrowed")
def test_a_charge_may_be_booked_under_an_earlier_number_of_another_form() -> None:
    charge = {"charge_id": "C1", "student_id": "b19000001", "year": "2026", "name": "学费", "amount": "1.00"}
    assert Charge.model_validate(charge).student_id == "B19000001"


def test_the_published_schema_has_the_universitys_form(narrowed: None) -> None:
    assert Student.model_json_schema()["properties"]["student_id"]["pattern"] == "^(TS[0-9]{8})$"
    use_number_form(None)
    assert Student.model_json_schema()["properties"]["student_id"]["pattern"].startswith("^[A-Za-z0-9]")


def test_a_form_number_is_read_however_it_was_typed() -> None:
    number = form_number(2026, 12345)
    wide = "".join(chr(ord(one) + 0xFEE0) if one != "-" else " " for one in number.lower())
    assert read_form_number(wide) == number
