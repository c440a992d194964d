"""The confirmation round over real databases: once, and never on a pass that was taken away."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from schemas.events import CaseChanged, CaseState, SubmissionAccepted, SubmissionRefused
from services.kit.operations import Held
from services.kit.receipts.numbers import read_form_number
from tests.support.submission.harness import CLEAR_LIBRARY, DEPARTMENTS, Parts
from tests.support.submission.rounds import OWED, OWING, asked_and_carried, of, state


async def test_clear_everywhere_is_accepted_once_and_everything_says_so(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    said = await parts.carry()
    (accepted,) = of(said, SubmissionAccepted)
    assert isinstance(accepted, SubmissionAccepted)
    assert accepted.attempt_id == attempt_id
    assert [e.state for e in of(said, CaseChanged) if isinstance(e, CaseChanged)] == [CaseState.COMPLETED]
    assert await state(parts, attempt_id) == ("accepted", "")
    submission = await parts.submission(student_id)
    assert submission is not None
    assert read_form_number(submission["form_number"]) == submission["form_number"] == accepted.form_number
    assert student_id not in submission["form_number"]
    assert set(json.loads(submission["facts"])) == set(DEPARTMENTS)
    assert await parts.holds(student_id) == {}
    answers = json.loads((await parts.attempt(attempt_id))["answers"])
    assert answers == {name: {"outcome": "clear"} for name in DEPARTMENTS}


@pytest.mark.acceptance("S-093")
async def test_a_debt_before_the_hold_is_objected_with_its_reasons(parts: Parts) -> None:
    student_id = await parts.student()
    await parts.set("library", student_id, OWING)
    attempt_id = await parts.ask(student_id)
    (refused,) = of(await parts.carry(), SubmissionRefused)
    assert isinstance(refused, SubmissionRefused)
    assert (refused.cause, list(refused.objections)) == ("objected", ["library"])
    assert refused.objections["library"][0].code == "books-not-returned"
    assert await state(parts, attempt_id) == ("refused", "objected")
    assert await parts.submission(student_id) is None
    assert await parts.holds(student_id) == {}


async def test_a_debt_between_the_holds_waits_and_one_where_none_is_yet_is_objected(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    await parts.departments["library"].hear([question])
    with pytest.raises(Held):
        await parts.set("library", student_id, OWING)
    assert (await parts.set("finance", student_id, OWED)).applied
    for name in ("archives", "dorm", "finance"):
        await parts.departments[name].hear([question])
    await parts.carry()
    assert await state(parts, attempt_id) == ("refused", "objected")
    assert await parts.submission(student_id) is None
    assert await parts.holds(student_id) == {}
    assert (await parts.set("library", student_id, OWING)).applied


async def test_the_same_ask_however_often_is_one_attempt_and_one_submission(parts: Parts) -> None:
    student_id, command_id = await parts.student(), uuid4()
    await asyncio.gather(*(parts.ask(student_id, command_id) for _ in range(20)))
    await parts.carry()
    first = await parts.submission(student_id)
    await asyncio.gather(*(parts.ask(student_id, command_id) for _ in range(20)))
    said = await parts.carry()
    assert {e.form_number for e in of(said, SubmissionAccepted) if isinstance(e, SubmissionAccepted)} == {
        first["form_number"] if first else ""
    }
    assert of(said, SubmissionRefused) == []
    assert await parts.submission(student_id) == first
    count = "SELECT count(*) FROM attempt WHERE student_id = $1"
    assert await parts.clearance.pool.fetchval(count, student_id) == 1


async def test_another_ask_while_one_is_open_is_refused_and_the_open_one_goes_on(parts: Parts) -> None:
    student_id = await parts.student()
    first, second = await parts.ask(student_id), await parts.ask(student_id)
    said = await parts.carry()
    assert await state(parts, first) == ("accepted", "")
    assert await state(parts, second) == ("refused", "another-attempt-open")
    assert [e.attempt_id for e in of(said, SubmissionRefused) if isinstance(e, SubmissionRefused)] == [second]


async def test_concurrent_asks_of_one_student_open_one_attempt(parts: Parts) -> None:
    for _ in range(5):
        student_id = await parts.student()
        ids = await asyncio.gather(*(parts.ask(student_id) for _ in range(6)))
        await parts.carry()
        states = sorted([await state(parts, attempt_id) for attempt_id in ids])
        assert states == [("accepted", "")] + [("refused", "another-attempt-open")] * 5


async def test_an_ask_after_the_acceptance_names_the_submission_and_is_refused_itself(parts: Parts) -> None:
    student_id = await parts.student()
    first = await parts.ask(student_id)
    await parts.carry()
    second = await parts.ask(student_id)
    said = await parts.carry()
    assert [e.attempt_id for e in of(said, SubmissionAccepted) if isinstance(e, SubmissionAccepted)] == [first]
    assert await state(parts, second) == ("refused", "already-submitted")


async def test_after_a_refusal_the_student_can_submit_again(parts: Parts) -> None:
    student_id = await parts.student(library=OWING)
    assert await state(parts, await asked_and_carried(parts, student_id)) == ("refused", "objected")
    await parts.set("library", student_id, CLEAR_LIBRARY)
    assert await state(parts, await asked_and_carried(parts, student_id)) == ("accepted", "")


async def test_who_is_not_on_the_roster_or_no_longer_is_refused(parts: Parts) -> None:
    stranger = await parts.ask(f"TSX{uuid4().hex[:8]}")
    student_id = await parts.student()
    async with parts.clearance.pool.acquire() as connection, connection.transaction():
        await parts.submissions._roster.withdraw(connection, student_id, now=datetime.now(UTC))
    gone = await parts.ask(student_id)
    await parts.carry()
    for attempt_id in (stranger, gone):
        assert await state(parts, attempt_id) == ("refused", "case-not-open")


async def test_taken_off_the_roster_during_the_round_is_refused(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    async with parts.clearance.pool.acquire() as connection, connection.transaction():
        await parts.submissions._roster.withdraw(connection, student_id, now=datetime.now(UTC))
    await parts.carry()
    assert await state(parts, attempt_id) == ("refused", "case-not-open")
    assert await parts.holds(student_id) == {}


async def test_a_department_that_is_down_delays_and_never_decides(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for name in ("library", "archives", "dorm"):
        await parts.departments[name].hear([question])
    await parts.carry()
    assert await state(parts, attempt_id) == ("open", "")
    assert await parts.submission(student_id) is None
    await parts.departments["finance"].hear([question])
    await parts.carry()
    assert await state(parts, attempt_id) == ("accepted", "")
