"""An attempt that a restored clearance opens anew: an answer counts for as long as its department holds the pass."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from schemas.codec import read
from schemas.events import (
    AttestationGiven,
    AttestationOutcome,
    Reason,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
    Verdict,
)
from tests.support.in_process.submission_harness import Harness, of


async def opened_anew(harness: Harness) -> tuple[UUID, SubmissionRequested, list[AttestationGiven]]:
    """Its request, and what the departments had answered in its first life, which is over."""
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    first = of([read(record.value) for record in await harness.answers(await harness.question())], AttestationGiven)
    await harness.clearance.pool.execute("DELETE FROM attempt WHERE attempt_id = $1", attempt_id)
    over = datetime.now(UTC) - timedelta(seconds=1)
    for department in harness.departments.values():
        await department.pool.execute("UPDATE hold SET expires_at = $2 WHERE attempt_id = $1", attempt_id, over)
    await harness.submit(student_id, attempt_id)
    (request,) = of([read(record.value) for record in await harness.clearance.take_outbox()], SubmissionRequested)
    return attempt_id, request, [answer.model_copy(update={"held_until": over}) for answer in first]


async def receive(harness: Harness, answers: Sequence[AttestationGiven]) -> None:
    for answer in answers:
        await harness.clearance.receive([harness.record(harness.topics.attestation(answer.department), answer)])


async def test_an_answer_says_until_when_it_is_held(harness: Harness) -> None:
    await harness.submit(await harness.student())
    question = await harness.question()
    request = read(question.value)
    assert isinstance(request, SubmissionRequested)
    answers = of([read(record.value) for record in await harness.answers(question)], AttestationGiven)
    assert [answer.held_until for answer in answers] == [request.expires_at] * 4


async def test_answers_of_the_first_life_accept_nothing_until_they_are_given_again(harness: Harness) -> None:
    attempt_id, request, first = await opened_anew(harness)
    await receive(harness, first)
    assert await harness.state(attempt_id) == ("open", "")
    again = of(
        [read(one.value) for one in await harness.answers(harness.record(harness.topics.submission, request))],
        AttestationGiven,
    )
    assert [answer.held_until for answer in again] == [request.expires_at] * 4
    dead = len(harness.clearance.dead_letters)
    await receive(harness, [*again[:3], *again[:3], *first])
    assert (await harness.state(attempt_id), len(harness.clearance.dead_letters)) == (("open", ""), dead)
    await receive(harness, again)
    assert await harness.state(attempt_id) == ("accepted", "")
    assert len(of(await harness.deliver_all(), SubmissionAccepted)) == 1


async def test_one_department_that_does_not_hold_any_more_is_waited_for_until_the_attempt_expires(
    harness: Harness,
) -> None:
    attempt_id, _, first = await opened_anew(harness)
    await receive(harness, [first[0], *(answer.model_copy(update={"held_until": None}) for answer in first[1:])])
    assert await harness.state(attempt_id) == ("open", "")
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    assert await harness.state(attempt_id) == ("expired", "expired")
    await harness.deliver_all()


async def test_a_department_that_objects_after_it_was_clear_refuses_the_attempt(harness: Harness) -> None:
    """Its database was restored: what it answered first holds nothing."""
    attempt_id, request, first = await opened_anew(harness)
    await receive(harness, first)
    reason = Reason(code="loan-open", parameters={"title": "矿山压力"})
    owing = [
        check.model_copy(update={"verdict": Verdict.BLOCKED, "reasons": (reason,)}) if number == 0 else check
        for number, check in enumerate(first[0].checks)
    ]
    objecting = first[0].model_copy(
        update={
            "outcome": AttestationOutcome.OBJECTED,
            "checks": tuple(owing),
            "attested_at": request.opened_at,
            "held_until": None,
        }
    )
    await receive(harness, [objecting])
    assert await harness.state(attempt_id) == ("refused", "objected")
    (end,) = of(await harness.deliver_all(), SubmissionRefused)
    assert end.objections == {first[0].department: (reason,)}
    assert await harness.holds(end.student_id) == {}


@pytest.mark.parametrize("changed", [{"version": 99}, {"outcome": "objected"}])
async def test_a_longer_hold_is_believed_of_the_same_answer_only(harness: Harness, changed: dict[str, object]) -> None:
    attempt_id, request, first = await opened_anew(harness)
    await receive(harness, first)
    dead = len(harness.clearance.dead_letters)
    longer = first[0].model_copy(update={"held_until": request.expires_at})
    other = AttestationGiven.model_validate(longer.model_dump() | changed)
    await receive(harness, [other])
    assert len(harness.clearance.dead_letters) == dead + 1
    assert await harness.state(attempt_id) == ("open", "")
    await harness.overdue(attempt_id)
    await harness.sweeper.sweep()
    await harness.deliver_all()
