"""The confirmation round over real databases: once, and never on a pass that was taken away."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from schemas.events import CaseChanged, CaseState, SubmissionAccepted, SubmissionRefused
from services.kit.operations import Held
from services.kit.receipts.numbers import read_form_number
from tests.support.in_process.after_acceptance import put
from tests.support.in_process.services import DEPARTMENTS
from tests.support.in_process.submission_harness import CLEAR_LIBRARY, OWED, OWING, Harness, of


async def test_clear_everywhere_is_accepted_once_and_everything_says_so(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    said = await harness.deliver_all()
    (accepted,) = of(said, SubmissionAccepted)
    assert accepted.attempt_id == attempt_id
    assert [e.state for e in of(said, CaseChanged)] == [CaseState.COMPLETED]
    assert await harness.state(attempt_id) == ("accepted", "")
    submission = await harness.submission(student_id)
    assert submission is not None
    assert read_form_number(submission["form_number"]) == submission["form_number"] == accepted.form_number
    assert student_id not in submission["form_number"]
    assert set(json.loads(submission["facts"])) == set(DEPARTMENTS)
    assert await harness.holds(student_id) == {}
    answers = json.loads((await harness.attempt(attempt_id))["answers"])
    assert answers == {name: {"outcome": "clear"} for name in DEPARTMENTS}


async def test_a_name_that_shows_the_characters_of_an_escape_is_accepted_as_any(harness: Harness) -> None:
    student_id = await harness.student(cohort="2026\\u0000")
    await put(harness, student_id, name="林知远\\u0000", cohort="2026\\u0000")
    attempt_id = await harness.submit(student_id)
    (accepted,) = of(await harness.deliver_all(), SubmissionAccepted)
    assert await harness.state(attempt_id) == ("accepted", "")
    assert accepted.form is not None
    assert accepted.form.student["name"] == "林知远\\u0000"


@pytest.mark.acceptance("S-093")
async def test_a_debt_before_the_hold_is_an_objection_with_its_reasons(harness: Harness) -> None:
    student_id = await harness.student()
    await harness.set("library", student_id, OWING)
    attempt_id = await harness.submit(student_id)
    (refused,) = of(await harness.deliver_all(), SubmissionRefused)
    assert (refused.cause, list(refused.objections)) == ("objected", ["library"])
    assert refused.objections["library"][0].code == "books-not-returned"
    assert await harness.state(attempt_id) == ("refused", "objected")
    assert await harness.submission(student_id) is None
    assert await harness.holds(student_id) == {}


async def test_a_debt_between_the_holds_waits_and_one_where_none_is_yet_is_objected(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question, "library")
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING)
    assert (await harness.set("finance", student_id, OWED)).applied
    for name in ("archives", "dorm", "finance"):
        await harness.departments[name].receive([question])
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("refused", "objected")
    assert await harness.submission(student_id) is None
    assert await harness.holds(student_id) == {}
    assert (await harness.set("library", student_id, OWING)).applied


async def test_the_same_ask_however_often_is_one_attempt_and_one_submission(harness: Harness) -> None:
    student_id, command_id = await harness.student(), uuid4()
    await asyncio.gather(*(harness.submit(student_id, command_id) for _ in range(20)))
    await harness.deliver_all()
    first = await harness.submission(student_id)
    await asyncio.gather(*(harness.submit(student_id, command_id) for _ in range(20)))
    said = await harness.deliver_all()
    assert {e.form_number for e in of(said, SubmissionAccepted)} == {first["form_number"] if first else ""}
    assert of(said, SubmissionRefused) == []
    assert await harness.submission(student_id) == first
    count = "SELECT count(*) FROM attempt WHERE student_id = $1"
    assert await harness.clearance.pool.fetchval(count, student_id) == 1


async def test_another_ask_while_one_is_open_is_refused_and_the_open_one_goes_on(harness: Harness) -> None:
    student_id = await harness.student()
    first, second = await harness.submit(student_id), await harness.submit(student_id)
    said = await harness.deliver_all()
    assert await harness.state(first) == ("accepted", "")
    assert await harness.state(second) == ("refused", "another-attempt-open")
    assert [e.attempt_id for e in of(said, SubmissionRefused)] == [second]


async def test_concurrent_asks_of_one_student_open_one_attempt(harness: Harness) -> None:
    for _ in range(5):
        student_id = await harness.student()
        ids = await asyncio.gather(*(harness.submit(student_id) for _ in range(6)))
        await harness.deliver_all()
        states = sorted([await harness.state(attempt_id) for attempt_id in ids])
        assert states == [("accepted", "")] + [("refused", "another-attempt-open")] * 5


async def test_an_ask_after_the_acceptance_names_the_submission_and_is_refused_itself(
    harness: Harness,
) -> None:
    student_id = await harness.student()
    first = await harness.submit(student_id)
    await harness.deliver_all()
    second = await harness.submit(student_id)
    said = await harness.deliver_all()
    assert [e.attempt_id for e in of(said, SubmissionAccepted)] == [first]
    assert await harness.state(second) == ("refused", "already-submitted")


async def test_after_a_refusal_the_student_can_submit_again(harness: Harness) -> None:
    student_id = await harness.student(library=OWING)
    assert await harness.state(await harness.submitted(student_id)) == ("refused", "objected")
    await harness.set("library", student_id, CLEAR_LIBRARY)
    assert await harness.state(await harness.submitted(student_id)) == ("accepted", "")


async def test_who_is_not_on_the_roster_or_no_longer_is_refused(harness: Harness) -> None:
    stranger = await harness.submit(f"TSX{uuid4().hex[:8].upper()}")
    student_id = await harness.student()
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await harness.roster.withdraw(connection, student_id, now=datetime.now(UTC))
    gone = await harness.submit(student_id)
    await harness.deliver_all()
    for attempt_id in (stranger, gone):
        assert await harness.state(attempt_id) == ("refused", "case-not-open")


async def test_taken_off_the_roster_during_the_round_is_refused(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await harness.roster.withdraw(connection, student_id, now=datetime.now(UTC))
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("refused", "case-not-open")
    assert await harness.holds(student_id) == {}


async def test_a_department_that_is_down_delays_and_never_decides(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question, "library", "archives", "dorm")
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("open", "")
    assert await harness.submission(student_id) is None
    await harness.ask_departments(question, "finance")
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("accepted", "")
