"""A pass taken away after the acceptance: the form stays, an exception opens."""

import json

import pytest

from services.clearance.submission import exceptions
from services.kit.operations import Held
from tests.support.submission.harness import CLEAR_LIBRARY, DEPARTMENTS, Parts
from tests.support.submission.rounds import OWING, state


async def test_a_debt_after_the_last_attestation_waits_for_the_end_and_then_opens_an_exception(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for place in parts.departments.values():
        await place.hear([question])
    for name in DEPARTMENTS:
        for record in await parts.departments[name].said():
            await parts.bring(record)
    assert await state(parts, attempt_id) == ("accepted", "")
    with pytest.raises(Held):
        await parts.set("library", student_id, OWING)
    before = await parts.submission(student_id)
    await parts.carry()
    assert (await parts.set("library", student_id, OWING)).applied
    await parts.carry()
    submission = await parts.submission(student_id)
    assert before is not None
    assert submission is not None
    assert submission["exception_count"] == 1
    assert {**dict(submission), "exception_count": 0} == dict(before)
    (exception,) = await parts.clearance.pool.fetch(
        "SELECT * FROM published.exception_v1 WHERE student_id = $1", student_id
    )
    assert (exception["department"], exception["closed_at"]) == ("library", None)
    assert json.loads(exception["reasons"])[0]["code"] == "books-not-returned"


async def test_an_exception_is_closed_by_the_next_clear_word_and_kept(parts: Parts) -> None:
    student_id = await parts.student()
    await parts.ask(student_id)
    await parts.carry()
    for record in (OWING, CLEAR_LIBRARY, OWING):
        await parts.set("library", student_id, record)
        await parts.carry()
    rows = await parts.clearance.pool.fetch(
        "SELECT version, closed_version FROM published.exception_v1 WHERE student_id = $1 ORDER BY version", student_id
    )
    first, second = (tuple(row) for row in rows)
    assert first[1] == first[0] + 1
    assert second == (first[0] + 2, None)


async def test_a_late_word_from_before_the_attestation_opens_no_exception(parts: Parts) -> None:
    student_id = await parts.student()
    await parts.set("library", student_id, OWING)
    (late,) = await parts.departments["library"].said()
    await parts.set("library", student_id, CLEAR_LIBRARY)
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    held_back = [late]
    for name, place in parts.departments.items():
        await place.hear([question])
        for record in await place.said():
            await (parts.clearance.hear([record]) if "attestation" in record.topic else parts.project([]))
            held_back += [record] if name == "library" and "status" in record.topic else []
    assert await state(parts, attempt_id) == ("accepted", "")
    for record in held_back:
        await parts.project([record])
    submission = await parts.submission(student_id)
    assert submission is not None
    assert submission["exception_count"] == 0


async def test_a_department_that_attests_clear_and_says_blocked_is_found_at_the_acceptance(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for place in parts.departments.values():
        await place.hear([question])
    # It lies: its own record was changed past the desk, and its status told.
    library = parts.departments["library"]
    await library.pool.execute("DELETE FROM hold WHERE student_id = $1", student_id)
    await parts.set("library", student_id, OWING)
    answer, status = await library.said()
    await parts.project([status])
    await parts.clearance.hear([answer])
    await parts.carry()
    assert await state(parts, attempt_id) == ("accepted", "")
    submission = await parts.submission(student_id)
    assert submission is not None
    assert submission["exception_count"] == 1


async def test_a_status_and_an_acceptance_committed_side_by_side_are_seen_by_the_next_sweep(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for place in parts.departments.values():
        await place.hear([question])
    library = parts.departments["library"]
    await library.pool.execute("DELETE FROM hold WHERE student_id = $1", student_id)
    await parts.set("library", student_id, OWING)
    answer, status = await library.said()
    for name in ("archives", "dorm", "finance"):
        for record in await parts.departments[name].said():
            await parts.bring(record)
    async with parts.clearance.pool.acquire() as connection:
        projecting = connection.transaction()
        await projecting.start()
        await parts.projector.apply(connection, [status], [])
        await parts.clearance.hear([answer])
        await projecting.commit()
    assert await state(parts, attempt_id) == ("accepted", "")
    async with parts.clearance.pool.acquire() as connection:
        assert await exceptions.fold_recent(connection) == 1
        assert await exceptions.fold_recent(connection) == 0
    submission = await parts.submission(student_id)
    assert submission is not None
    assert submission["exception_count"] == 1
