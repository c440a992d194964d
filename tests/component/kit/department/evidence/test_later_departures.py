"""A student who leaves a second time: what was said about the first departure is no evidence for the second."""

from schemas.events import NO_DATA
from tests.component.kit.department.evidence.conftest import Office

CLEAR = ("clear",)
UNKNOWN = (NO_DATA,)


async def paid(office: Office, student_id: str) -> None:
    await office.import_file(f"{student_id},C1,2025,学费,8000.00,8000.00\n")


async def test_a_later_case_waits_for_a_list_or_a_word_of_its_own(office: Office) -> None:
    student_id = await office.leaving("2026")
    await paid(office, student_id)
    assert await office.verdict(student_id) == CLEAR
    await office.leaving("2027", student_id, version=2, case_number=2)
    assert await office.verdict(student_id) == UNKNOWN
    assert await office.outcome(await office.ask(student_id)) == "objected"
    await office.cover("2027")
    assert await office.verdict(student_id) == CLEAR


async def test_an_act_about_the_later_departure_is_evidence_for_it(office: Office) -> None:
    student_id = await office.leaving("2026")
    await paid(office, student_id)
    await office.leaving("2027", student_id, version=2, case_number=2)
    await paid(office, student_id)
    assert await office.verdict(student_id) == CLEAR


async def test_a_case_that_only_changes_keeps_its_evidence(office: Office) -> None:
    student_id = await office.leaving("2026")
    await paid(office, student_id)
    await office.leaving("2027", student_id, version=2)
    assert await office.verdict(student_id) == CLEAR


async def test_a_request_that_overtakes_the_later_case_rests_on_no_evidence_of_the_first(office: Office) -> None:
    student_id = await office.leaving("2026")
    await paid(office, student_id)
    assert await office.outcome(await office.ask(student_id, "2027", case_number=2)) == "objected"
    assert await office.verdict(student_id) == UNKNOWN
    await office.leaving("2027", student_id, version=2, case_number=2)
    assert await office.verdict(student_id) == UNKNOWN
    await office.cover("2027")
    assert await office.verdict(student_id) == CLEAR
