"""Every attempt comes to an end, by the database's clock and exactly once."""

import asyncio
from datetime import timedelta

from schemas.events import SubmissionAccepted, SubmissionRefused
from tests.support.submission.harness import Parts
from tests.support.submission.rounds import of, overdue, state


async def test_an_attempt_too_old_expires_and_a_late_answer_changes_nothing(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for name in ("library", "archives", "dorm"):
        await parts.departments[name].hear([question])
    await parts.carry()
    await overdue(parts, attempt_id)
    assert await parts.sweeper.sweep() >= 1
    (refused,) = of(await parts.carry(), SubmissionRefused)
    assert isinstance(refused, SubmissionRefused)
    assert refused.cause == "expired"
    await parts.departments["finance"].hear([question])
    await parts.carry()
    assert await state(parts, attempt_id) == ("expired", "expired")
    assert await parts.submission(student_id) is None
    assert await parts.holds(student_id) == {}


async def test_an_attempt_whose_life_is_not_over_does_not_expire(parts: Parts) -> None:
    attempt_id = await parts.ask(await parts.student())
    await parts.sweeper.sweep()
    assert await state(parts, attempt_id) == ("open", "")
    await parts.carry()


async def test_expiry_racing_the_last_answer_ends_the_attempt_exactly_once(parts: Parts) -> None:
    ends: set[str] = set()
    for turn in range(12):
        student_id = await parts.student()
        attempt_id = await parts.ask(student_id)
        (question,) = await parts.clearance.said()
        last: list[object] = []
        for name, place in parts.departments.items():
            await place.hear([question])
            records = await place.said()
            last = records if name == "finance" else last
            if name != "finance":
                await parts.clearance.hear(records)
        await overdue(parts, attempt_id)
        racing = [parts.sweeper.sweep(), parts.clearance.hear(last), parts.sweeper.sweep()]
        await asyncio.gather(*(racing if turn % 2 else reversed(racing)))
        said = await parts.carry()
        assert len(of(said, SubmissionAccepted)) + len(of(said, SubmissionRefused)) == 1
        ended, _ = await state(parts, attempt_id)
        assert (ended == "accepted") is (await parts.submission(student_id) is not None)
        assert await parts.holds(student_id) == {}
        ends.add(ended)
    assert ends <= {"accepted", "expired"}


async def test_the_life_of_an_attempt_is_counted_by_the_database(parts: Parts) -> None:
    row = await parts.attempt(await parts.ask(await parts.student()))
    assert row["expires_at"] - row["opened_at"] == timedelta(minutes=10)
    await parts.carry()
