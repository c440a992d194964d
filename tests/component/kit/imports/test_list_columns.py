"""A covering file answers for the checks that its columns are about, and for no other."""

from typing import Any

from tests.support.imports.department import Service, student


async def covering(library: Service, headings: str, cells: str, covers: str = "2026") -> tuple[bool | None, list[str]]:
    """Whether the file covers anybody, and the checks of its load."""
    content = f"{headings}\n{student()}{cells}\n".encode()
    options, media = {"covers": covers}, {"Content-Type": "text/csv"}
    answer = await library.http.post("/imports", content=content, params=options, headers=media)
    assert answer.status_code == 202, answer.text
    await library.worker().work()
    job: dict[str, Any] = await library.get(answer.headers["Location"])
    checks = await library.pool.fetchval("SELECT checks FROM covering_load WHERE job_id = $1", job["job_id"])
    return job["covered"], checks or []


async def test_a_list_of_theses_says_nothing_of_loans(library: Service) -> None:
    assert await covering(library, "student_id,thesis", ",approved") == (True, ["thesis"])


async def test_a_list_of_loans_alone_is_no_list_of_what_is_owed_to_the_library(library: Service) -> None:
    headings = "student_id,loan_barcode,loan_title,loan_due_on"
    assert await covering(library, headings, ",B1,矿山压力,2026-06-20") == (False, [])


async def test_a_list_with_loans_fines_and_theses_covers_both_checks(library: Service) -> None:
    headings = "student_id,card,thesis,loan_barcode,loan_title,loan_due_on,fine_id,fine_amount,fine_paid"
    assert await covering(library, headings, ",cancelled,approved,,,,,,") == (True, ["borrowing", "thesis"])


async def test_a_list_of_theses_answers_no_question_about_a_fine(library: Service) -> None:
    student_id = student()
    refused = await library.imported(f'student_id,fine_id,fine_amount\n{student_id},F-1,"1,200"\n')
    assert refused["students_questioned"] == 1
    assert await covering(library, "student_id,thesis", ",approved", covers="*") == (True, ["thesis"])
    assert await library.pool.fetchval("SELECT open_questions FROM record WHERE student_id = $1", student_id) == 1


async def test_a_refused_fine_without_a_number_is_not_settled_by_a_word_about_the_card(library: Service) -> None:
    student_id = student()
    await library.imported(f"student_id,card,fine_amount\n{student_id},active,50\n")
    await library.imported(f"student_id,card\n{student_id},cancelled\n")
    assert await library.pool.fetchval("SELECT open_questions FROM record WHERE student_id = $1", student_id) == 1
