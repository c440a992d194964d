"""A batch of attempts at a department: each is answered, held and ended as it would be alone, by as few statements."""

from collections import Counter
from typing import Any
from uuid import uuid4

from schemas.events import AttestationGiven
from tests.component.clearance.submission.round.test_attestation import accepted, library_hears, refused, requested
from tests.support.in_process.submission_harness import OWING, Harness


async def held(harness: Harness, *students: str) -> set[tuple[str, Any]]:
    rows = await harness.departments["library"].pool.fetch(
        "SELECT student_id, attempt_id FROM hold WHERE student_id = ANY($1::text[])", students
    )
    return {(row["student_id"], row["attempt_id"]) for row in rows}


async def entries(harness: Harness, *students: str) -> list[tuple[Any, ...]]:
    rows = await harness.departments["library"].pool.fetch(
        "SELECT student_id, act, outcome, details::json ->> 'attempt' AS attempt,"
        " (details::json ->> 'version')::int AS version FROM audit.entry"
        " WHERE act LIKE 'attempt.%' AND student_id = ANY($1::text[])",
        students,
    )
    return sorted(tuple(row) for row in rows)


async def test_each_of_a_set_is_answered_and_held_by_its_own_record(harness: Harness) -> None:
    clear, owing, other = await harness.student(), await harness.student(library=OWING), await harness.student()
    asked = {student_id: uuid4() for student_id in (clear, owing, other)}
    answers = await library_hears(harness, *(requested(student_id, attempt) for student_id, attempt in asked.items()))
    outcomes = {
        answer.student_id: (answer.attempt_id, answer.outcome, answer.version)
        for answer in answers
        if isinstance(answer, AttestationGiven)
    }
    version = {student_id: (await harness.desks["library"].read(student_id)).status_version for student_id in asked}
    assert outcomes == {
        student_id: (attempt, "objected" if student_id == owing else "clear", version[student_id])
        for student_id, attempt in asked.items()
    }
    assert await held(harness, *asked) == {(clear, asked[clear]), (other, asked[other])}
    assert await entries(harness, *asked) == sorted(
        (
            student_id,
            "attempt.attest",
            "objected" if student_id == owing else "held",
            str(attempt),
            version[student_id],
        )
        for student_id, attempt in asked.items()
    )


async def test_a_set_of_ends_releases_each_hold_once_and_writes_an_entry_for_each(harness: Harness) -> None:
    first, second, objected = await harness.student(), await harness.student(), await harness.student(library=OWING)
    asked = {student_id: uuid4() for student_id in (first, second, objected)}
    await library_hears(harness, *(requested(student_id, attempt) for student_id, attempt in asked.items()))
    kept = await harness.student()
    await library_hears(harness, requested(kept, attempt := uuid4()))
    ends = [refused(student_id, attempt) for student_id, attempt in asked.items()]
    await library_hears(harness, *ends)
    await library_hears(harness, *ends)
    assert await held(harness, kept, *asked) == {(kept, attempt)}
    released = [entry[:4] for entry in await entries(harness, *asked) if entry[1] == "attempt.release"]
    assert released == sorted((one, "attempt.release", "refused", str(asked[one])) for one in (first, second))


async def test_of_two_students_who_claim_one_attempt_the_first_is_answered_and_the_next_is_a_dead_letter(
    harness: Harness,
) -> None:
    first, second, third = [await harness.student() for _ in range(3)]
    attempt, other = uuid4(), uuid4()
    harness.departments["library"].dead_letters.clear()
    answers = await library_hears(
        harness, requested(first, attempt), requested(second, attempt), requested(third, other)
    )
    assert [answer.student_id for answer in answers if isinstance(answer, AttestationGiven)] == [first, third]
    assert await held(harness, first, second, third) == {(first, attempt), (third, other)}
    assert harness.departments["library"].dead_letters == ["attempt_id: the attempt is another student's"]


async def test_an_end_that_contradicts_a_former_one_is_a_dead_letter_and_the_others_of_its_set_are_stored(
    harness: Harness,
) -> None:
    first, second = await harness.student(), await harness.student()
    ended, open_one = uuid4(), uuid4()
    harness.departments["library"].dead_letters.clear()
    await library_hears(harness, refused(first, ended), requested(second, open_one))
    await library_hears(harness, accepted(first, ended), accepted(second, open_one))
    assert harness.departments["library"].dead_letters == ["attempt_id: the attempt has ended with another outcome"]
    assert await held(harness, first, second) == set()
    released = [entry[:3] for entry in await entries(harness, first, second) if entry[1] == "attempt.release"]
    assert released == [(second, "attempt.release", "accepted")]


async def test_a_set_of_ten_takes_as_many_statements_as_one_of_two(harness: Harness, statements: Counter[str]) -> None:
    counts = []
    for size in (2, 10):
        asked = {await harness.student(): uuid4() for _ in range(size)}
        statements.clear()
        await library_hears(harness, *(requested(student_id, attempt) for student_id, attempt in asked.items()))
        counts.append(statements.total())
        statements.clear()
        await library_hears(harness, *(accepted(student_id, attempt) for student_id, attempt in asked.items()))
        counts.append(statements.total())
    assert counts[:2] == counts[2:]
