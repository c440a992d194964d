"""Attestations received before their attempt, as after a restore: they wait for it, and are dropped with it."""

from datetime import UTC, datetime
from uuid import UUID

from schemas.codec import read
from schemas.events import (
    AttestationGiven,
    AttestationOutcome,
    EndOutcome,
    KnownEnd,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
    SubmitAsked,
)
from tests.support.in_process.submission_harness import Harness, of


async def asked_elsewhere(harness: Harness, student_id: str) -> tuple[UUID, list[AttestationGiven]]:
    """An attempt that this clearance does not know (any more), and what the departments answered to it."""
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    answers = [read(record.value) for record in await harness.answers(question)]
    await harness.clearance.pool.execute("DELETE FROM attempt WHERE attempt_id = $1", attempt_id)
    return attempt_id, of(answers, AttestationGiven)


async def receive(harness: Harness, *answers: AttestationGiven) -> None:
    for answer in answers:
        await harness.clearance.receive([harness.record(harness.topics.attestation(answer.department), answer)])


async def waiting(harness: Harness, attempt_id: UUID) -> int:
    count = "SELECT count(*) FROM waiting_attestation WHERE attempt_id = $1"
    return int(await harness.clearance.pool.fetchval(count, attempt_id))


async def test_attestations_before_their_attempt_decide_it_when_it_opens(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id, answers = await asked_elsewhere(harness, student_id)
    dead = len(harness.clearance.dead_letters)
    await receive(harness, *answers, *answers)
    assert (await waiting(harness, attempt_id), len(harness.clearance.dead_letters)) == (4, dead)
    await harness.submit(student_id, attempt_id)
    assert await harness.state(attempt_id) == ("accepted", "")
    said = await harness.deliver_all()
    assert len(of(said, SubmissionAccepted)) == 1
    assert await waiting(harness, attempt_id) == 0
    assert await harness.holds(student_id) == {}


async def test_attestations_of_an_attempt_that_is_refused_at_once_go_with_it(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id, answers = await asked_elsewhere(harness, student_id)
    await receive(harness, *answers)
    other = await harness.submit(student_id)
    await harness.submit(student_id, attempt_id)
    assert await harness.state(attempt_id) == ("refused", "another-attempt-open")
    assert await waiting(harness, attempt_id) == 0
    await harness.deliver_all()
    assert await harness.state(other) == ("accepted", "")


async def test_one_that_fits_no_attempt_is_dropped_when_its_attempt_opens(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id, answers = await asked_elsewhere(harness, student_id)
    forged = answers[0].model_copy(update={"student_id": await harness.student()})
    await receive(harness, forged, *answers[1:])
    await harness.submit(student_id, attempt_id)
    assert await harness.state(attempt_id) == ("open", "")
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("accepted", "")


async def test_after_a_day_one_is_deleted(harness: Harness) -> None:
    attempt_id, answers = await asked_elsewhere(harness, await harness.student())
    await receive(harness, *answers)
    await harness.clearance.pool.execute(
        "UPDATE waiting_attestation SET received_at = received_at - interval '25 hours'"
    )
    await harness.sweeper.sweep()
    assert await waiting(harness, attempt_id) == 0


async def test_a_refusal_that_this_database_lost_is_learnt_from_the_departments(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    assert isinstance(asked := read(question.value), SubmissionRequested)
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    await harness.deliver_all()
    await harness.clearance.pool.execute("DELETE FROM attempt WHERE attempt_id = $1", attempt_id)
    command = SubmitAsked(command_id=attempt_id, student_id=student_id, asked_at=datetime.now(UTC))
    await harness.clearance.receive([harness.record(harness.topics.command, command)])
    dead = {name: len(service.dead_letters) for name, service in harness.services.items()}
    said = await harness.deliver_all()
    assert await harness.state(attempt_id) == ("expired", "expired")
    assert {end.cause for end in of(said, SubmissionRefused)} == {"expired"}
    assert {name: len(service.dead_letters) for name, service in harness.services.items()} == dead
    assert asked.attempt_id == attempt_id


async def test_a_department_that_knows_another_end_is_not_believed(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submitted(student_id)
    row = await harness.clearance.pool.fetchval(
        "SELECT said FROM answer WHERE attempt_id = $1 AND department = 'dorm'", attempt_id
    )
    known = AttestationGiven.model_validate_json(row).model_copy(
        update={"outcome": AttestationOutcome.OBJECTED, "ended": KnownEnd(outcome=EndOutcome.REFUSED)}
    )
    dead = len(harness.clearance.dead_letters)
    await receive(harness, known)
    assert harness.clearance.dead_letters[dead:] == ["ended: the attempt has ended otherwise"]
    assert await harness.state(attempt_id) == ("accepted", "")
