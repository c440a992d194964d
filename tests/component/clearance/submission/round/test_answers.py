"""Answers repeated, late, forged or out of order decide nothing they should not."""

import json
from datetime import UTC, datetime
from uuid import UUID

from schemas.codec import read
from schemas.events import AttestationGiven, AttestationOutcome, SubmissionAccepted, SubmissionRequested
from tests.support.in_process.services import RULES
from tests.support.in_process.submission_harness import OWED, Harness, of


async def test_an_answer_heard_again_counts_once(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    records = await harness.answers(question)
    before = len(harness.clearance.dead_letters)
    await harness.clearance.receive([*records, *records, *reversed(records)])
    assert len(of(await harness.deliver_all(), SubmissionAccepted)) == 1
    assert await harness.state(attempt_id) == ("accepted", "")
    assert len(harness.clearance.dead_letters) == before


def forged(student_id: str, attempt_id: UUID, department: str = "finance", **changed: object) -> AttestationGiven:
    fields = {
        "attempt_id": attempt_id,
        "student_id": student_id,
        "department": department,
        "outcome": AttestationOutcome.CLEAR,
        "version": 99,
        "checks": _finance_checks(),
        "attested_at": datetime.now(UTC),
    }
    return AttestationGiven.model_validate({**fields, **changed})


def _finance_checks() -> object:
    return RULES["finance"].assess(RULES["finance"].record()).checks


async def test_forged_answers_are_parked_and_decide_nothing(harness: Harness) -> None:
    student_id, other = await harness.student(finance=OWED), await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question, "library", "archives", "dorm")
    await harness.deliver_all()
    topic, elsewhere = harness.topics.attestation("finance"), harness.topics.attestation("library")
    before = len(harness.clearance.dead_letters)
    await harness.clearance.receive(
        [
            harness.record(elsewhere, forged(student_id, attempt_id)),
            harness.record(topic, forged(other, attempt_id)),
            harness.record(topic, forged(student_id, attempt_id), key=other),
            harness.record(topic, forged(student_id, attempt_id, outcome=AttestationOutcome.OBJECTED)),
        ]
    )
    assert len(harness.clearance.dead_letters) - before == 4
    assert await harness.state(attempt_id) == ("open", "")
    await harness.ask_departments(question, "finance")
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("refused", "objected")


async def test_an_answer_to_an_older_attempt_says_nothing_about_the_newer_one(harness: Harness) -> None:
    student_id = await harness.student()
    older = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question, "finance")
    replayed = await harness.departments["finance"].take_outbox()
    await harness.overdue(older)
    await harness.sweeper.sweep()
    await harness.deliver_all()
    newer = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question, "library", "archives", "dorm")
    await harness.deliver_all()
    await harness.clearance.receive(replayed)
    assert await harness.state(newer) == ("open", "")
    assert await harness.state(older) == ("expired", "expired")
    await harness.ask_departments(question, "finance")
    await harness.deliver_all()
    assert await harness.state(newer) == ("accepted", "")


async def test_a_second_and_different_answer_is_parked_and_the_first_counts(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question, "finance")
    await harness.deliver_all()
    before = len(harness.clearance.dead_letters)
    topic = harness.topics.attestation("finance")
    await harness.clearance.receive([harness.record(topic, forged(student_id, attempt_id))])
    assert harness.clearance.dead_letters[before:] == [
        "attempt_id: the department gave this attempt another answer before"
    ]
    said = await harness.clearance.pool.fetchval("SELECT said FROM answer WHERE attempt_id = $1", attempt_id)
    assert json.loads(said)["version"] != 99


async def test_an_ask_under_another_students_attempt_is_parked(harness: Harness) -> None:
    one, other = await harness.student(), await harness.student()
    attempt_id = await harness.submit(one)
    before = len(harness.clearance.dead_letters)
    await harness.submit(other, attempt_id)
    assert len(harness.clearance.dead_letters) == before + 1
    await harness.deliver_all()
    assert await harness.submission(other) is None


async def test_the_end_heard_before_the_question_leaves_no_hold(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    await harness.deliver_all()
    await harness.ask_departments(question)
    await harness.deliver_all()
    assert await harness.holds(student_id) == {}
    assert isinstance(read(question.value), SubmissionRequested)
