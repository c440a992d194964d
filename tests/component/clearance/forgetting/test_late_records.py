"""What is on its way while a student is forgotten: it goes too, and takes nothing from who comes again."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from schemas.events import CaseChanged, CaseState, CommandAsked, SubmissionRefused, SubmitAsked
from schemas.flows import CLEARANCE
from services.kit.operations import Held
from tests.component.clearance.forgetting.departures import finished, forget, mentioned, tables_with
from tests.support.in_process.after_acceptance import put, withdraw
from tests.support.in_process.services import CLEAR, record_of
from tests.support.in_process.submission_harness import OWING, Harness
from tests.support.personal_data import AUDIT


async def test_what_was_on_its_way_meanwhile_goes_with_the_next_tombstone(harness: Harness) -> None:
    student_id = await finished(harness)
    now = datetime.now(UTC)
    late = [
        (harness.topics.command, SubmitAsked(command_id=uuid4(), student_id=student_id, asked_at=now)),
        (
            harness.topics.command,
            CommandAsked(
                command_id=uuid4(), student_id=student_id, department="library", command="cancel-card", asked_at=now
            ),
        ),
        (
            harness.topics.submission,
            SubmissionRefused(attempt_id=uuid4(), student_id=student_id, cause="expired", refused_at=now),
        ),
    ]
    await forget(harness, student_id)
    case, submission = await harness.clearance.take_outbox()
    assert (case.topic, submission.topic) == (harness.topics.case, harness.topics.submission)
    await harness.deliver(case)
    for topic, event in late:
        await harness.deliver(harness.record(topic, event))
    left = await mentioned(harness, student_id)
    assert left["library"] > {AUDIT}
    assert left[CLEARANCE] > {AUDIT}
    await harness.deliver(submission)
    await harness.deliver_all()
    after = await mentioned(harness, student_id)
    assert {name for tables in after.values() for name in tables} == {AUDIT}


async def test_a_late_tombstone_takes_nothing_from_a_student_who_has_a_case_again(harness: Harness) -> None:
    student_id = await finished(harness)
    await forget(harness, student_id)
    case, submission = await harness.clearance.take_outbox()
    await harness.deliver(case)
    await put(harness, student_id)
    await harness.deliver_all()
    await harness.set("library", student_id, OWING.model_dump())
    await harness.deliver(submission)
    await harness.deliver_all()
    assert (await harness.desks["library"].read(student_id)).record == OWING
    rows = await harness.clearance.pool.fetch(
        "SELECT department, version, readable FROM published.status_v1 WHERE student_id = $1", student_id
    )
    assert {row["department"]: row["readable"] for row in rows} == dict.fromkeys(harness.departments, True)
    # And the whole round works anew, from a first version and a first form.
    for department, record in CLEAR.items():
        await harness.set(department, student_id, record)
    await harness.deliver_all()
    await harness.submitted(student_id)
    assert await harness.submission(student_id) is not None


async def test_a_hold_of_a_forgotten_student_holds_nothing_any_more(harness: Harness) -> None:
    """The case's tombstone may overtake the end of an attempt, which is on another topic."""
    student_id = await harness.student()
    await harness.submit(student_id)
    await harness.ask_departments(await harness.question(), "library")
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING.model_dump())
    library = harness.departments["library"]
    await library.receive([record_of(harness.topics.case, student_id.encode(), None)])
    await harness.set("library", student_id, OWING.model_dump())
    await library.receive(
        [
            harness.record(
                harness.topics.case,
                CaseChanged(student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=datetime.now(UTC)),
            )
        ]
    )
    assert not (await harness.desks["library"].read(student_id)).assessment.clear
    await harness.deliver_all()


async def test_what_runs_at_the_same_time_is_forgotten_too(harness: Harness) -> None:
    for _ in range(8):
        student_id = await harness.student()
        await withdraw(harness, student_id)
        await harness.deliver_all()
        await harness.set("finance", student_id, {})
        command = SubmitAsked(command_id=uuid4(), student_id=student_id, asked_at=datetime.now(UTC))
        status = CaseChanged(student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=datetime.now(UTC))
        await asyncio.gather(
            harness.clearance.receive([harness.record(harness.topics.command, command)]),
            harness.set("library", student_id, OWING.model_dump()),
            harness.departments["dorm"].receive([harness.record(harness.topics.case, status)]),
            harness.clearance.receive([record_of(harness.topics.status("dorm"), student_id.encode(), b"{")]),
            forget(harness, student_id),
        )
        await harness.deliver_all()
        left = await tables_with(harness, student_id)
        assert left == {AUDIT}
