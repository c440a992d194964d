"""Every attempt comes to an end, by the database's clock and exactly once."""

import asyncio
from datetime import timedelta

from schemas.events import SubmissionAccepted, SubmissionRefused
from tests.support.in_process.submission_harness import Harness, of


async def test_an_attempt_too_old_expires_and_a_late_answer_changes_nothing(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question, "library", "archives", "dorm")
    await harness.deliver_all()
    await harness.overdue(attempt_id)
    assert await harness.sweeper.sweep() >= 1
    (refused,) = of(await harness.deliver_all(), SubmissionRefused)
    assert refused.cause == "expired"
    await harness.ask_departments(question, "finance")
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("expired", "expired")
    assert await harness.submission(student_id) is None
    assert await harness.holds(student_id) == {}


async def test_an_attempt_whose_life_is_not_over_does_not_expire(harness: Harness) -> None:
    attempt_id = await harness.submit(await harness.student())
    await harness.sweeper.sweep()
    assert await harness.state(attempt_id) == ("open", "")
    await harness.deliver_all()


async def test_expiry_racing_the_last_answer_ends_the_attempt_exactly_once(harness: Harness) -> None:
    ends: set[str] = set()
    for turn in range(12):
        student_id = await harness.student()
        attempt_id = await harness.submit(student_id)
        question = await harness.question()
        last: list[object] = []
        for name, service in harness.departments.items():
            await service.receive([question])
            records = await service.take_outbox()
            last = records if name == "finance" else last
            if name != "finance":
                await harness.clearance.receive(records)
        await harness.overdue(attempt_id)
        racing = [harness.sweeper.sweep(), harness.clearance.receive(last), harness.sweeper.sweep()]
        await asyncio.gather(*(racing if turn % 2 else reversed(racing)))
        said = await harness.deliver_all()
        assert len(of(said, SubmissionAccepted)) + len(of(said, SubmissionRefused)) == 1
        ended, _ = await harness.state(attempt_id)
        assert (ended == "accepted") is (await harness.submission(student_id) is not None)
        assert await harness.holds(student_id) == {}
        ends.add(ended)
    assert ends <= {"accepted", "expired"}


async def test_the_life_of_an_attempt_is_counted_by_the_database(harness: Harness) -> None:
    row = await harness.attempt(await harness.submit(await harness.student()))
    assert row["expires_at"] - row["opened_at"] == timedelta(minutes=10)
    await harness.deliver_all()
