"""Answers repeated, late, forged or out of order decide nothing they should not."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

from schemas.codec import read
from schemas.events import AttestationGiven, AttestationOutcome, SubmissionAccepted, SubmissionRequested
from tests.support.submission.harness import CLEAR, RULES, Parts
from tests.support.submission.rounds import OWED, of, overdue, state


async def test_an_answer_heard_again_counts_once(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    records = []
    for place in parts.departments.values():
        await place.hear([question])
        records += await place.said()
    parked = len(parts.clearance.parked)
    await parts.clearance.hear([*records, *records, *reversed(records)])
    assert len(of(await parts.carry(), SubmissionAccepted)) == 1
    assert await state(parts, attempt_id) == ("accepted", "")
    assert len(parts.clearance.parked) == parked


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
    return RULES["finance"].assess(CLEAR["finance"]).checks


async def test_forged_answers_are_parked_and_decide_nothing(parts: Parts) -> None:
    student_id, other = await parts.student(finance=OWED), await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for name in ("library", "archives", "dorm"):
        await parts.departments[name].hear([question])
    await parts.carry()
    topic, elsewhere = parts.topics.attestation("finance"), parts.topics.attestation("library")
    parked = len(parts.clearance.parked)
    await parts.clearance.hear(
        [
            parts.record(elsewhere, forged(student_id, attempt_id)),
            parts.record(topic, forged(student_id, uuid4())),
            parts.record(topic, forged(other, attempt_id)),
            parts.record(topic, forged(student_id, attempt_id), key=other),
            parts.record(topic, forged(student_id, attempt_id, outcome=AttestationOutcome.OBJECTED)),
        ]
    )
    assert len(parts.clearance.parked) - parked == 5
    assert await state(parts, attempt_id) == ("open", "")
    await parts.departments["finance"].hear([question])
    await parts.carry()
    assert await state(parts, attempt_id) == ("refused", "objected")


async def test_an_answer_to_an_older_attempt_says_nothing_about_the_newer_one(parts: Parts) -> None:
    student_id = await parts.student()
    older = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    await parts.departments["finance"].hear([question])
    replayed = await parts.departments["finance"].said()
    await overdue(parts, older)
    await parts.sweeper.sweep()
    await parts.carry()
    newer = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for name in ("library", "archives", "dorm"):
        await parts.departments[name].hear([question])
    await parts.carry()
    await parts.clearance.hear(replayed)
    assert await state(parts, newer) == ("open", "")
    assert await state(parts, older) == ("expired", "expired")
    await parts.departments["finance"].hear([question])
    await parts.carry()
    assert await state(parts, newer) == ("accepted", "")


async def test_a_second_and_different_answer_is_parked_and_the_first_counts(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    await parts.departments["finance"].hear([question])
    await parts.carry()
    parked = len(parts.clearance.parked)
    topic = parts.topics.attestation("finance")
    await parts.clearance.hear([parts.record(topic, forged(student_id, attempt_id))])
    assert parts.clearance.parked[parked:] == ["attempt_id: the department answered this attempt before, and otherwise"]
    said = await parts.clearance.pool.fetchval("SELECT said FROM answer WHERE attempt_id = $1", attempt_id)
    assert json.loads(said)["version"] != 99


async def test_an_ask_under_another_students_attempt_is_parked(parts: Parts) -> None:
    one, other = await parts.student(), await parts.student()
    attempt_id = await parts.ask(one)
    parked = len(parts.clearance.parked)
    await parts.ask(other, attempt_id)
    assert len(parts.clearance.parked) == parked + 1
    await parts.carry()
    assert await parts.submission(other) is None


async def test_the_end_heard_before_the_question_leaves_no_hold(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    await overdue(parts, attempt_id)
    await parts.sweeper.sweep()
    await parts.carry()
    for place in parts.departments.values():
        await place.hear([question])
    await parts.carry()
    assert await parts.holds(student_id) == {}
    assert isinstance(read(question.value), SubmissionRequested)
