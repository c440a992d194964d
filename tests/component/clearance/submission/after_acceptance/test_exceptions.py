"""A pass taken away after the acceptance: the form stays, an exception opens."""

import asyncio
import json
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from services.clearance.submission.after_acceptance import exceptions
from services.kit.cancelling import ended
from services.kit.operations import Held
from tests.support.in_process.submission_harness import CLEAR_LIBRARY, OWING, Harness
from tests.support.waiting import eventually


async def asked(harness: Harness) -> tuple[str, UUID]:
    """A student who has submitted, and the attempt; every department's answer waits in its outbox."""
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    await harness.ask_departments(await harness.question())
    return student_id, attempt_id


async def contradiction(harness: Harness, student_id: str) -> list[ConsumerRecord]:
    """The library attests clear and says blocked, its record being changed past its hold: answer and status."""
    library = harness.departments["library"]
    await library.pool.execute("DELETE FROM hold WHERE student_id = $1", student_id)
    await harness.set("library", student_id, OWING)
    return await library.take_outbox()


async def exception_count(harness: Harness, student_id: str) -> int:
    submission = await harness.submission(student_id)
    assert submission is not None
    return int(submission["exception_count"])


async def test_a_debt_after_the_last_attestation_waits_for_the_end_and_then_opens_an_exception(
    harness: Harness,
) -> None:
    student_id, attempt_id = await asked(harness)
    for service in harness.departments.values():
        for record in await service.take_outbox():
            await harness.deliver(record)
    assert await harness.state(attempt_id) == ("accepted", "")
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING)
    before = await harness.submission(student_id)
    await harness.deliver_all()
    assert (await harness.set("library", student_id, OWING)).applied
    await harness.deliver_all()
    submission = await harness.submission(student_id)
    assert before is not None
    assert submission is not None
    assert submission["exception_count"] == 1
    assert {**dict(submission), "exception_count": 0} == dict(before)
    (exception,) = await harness.clearance.pool.fetch(
        "SELECT * FROM published.exception_v1 WHERE student_id = $1", student_id
    )
    assert (exception["department"], exception["closed_at"]) == ("library", None)
    assert json.loads(exception["reasons"])[0]["code"] == "books-not-returned"


async def test_an_exception_is_closed_by_the_next_clear_word_and_kept(harness: Harness) -> None:
    student_id = await harness.student()
    await harness.submit(student_id)
    await harness.deliver_all()
    for record in (OWING, CLEAR_LIBRARY, OWING):
        await harness.set("library", student_id, record)
        await harness.deliver_all()
    rows = await harness.clearance.pool.fetch(
        "SELECT version, closed_version FROM published.exception_v1 WHERE student_id = $1 ORDER BY version", student_id
    )
    first, second = (tuple(row) for row in rows)
    assert first[1] == first[0] + 1
    assert second == (first[0] + 2, None)


async def test_a_late_word_from_before_the_attestation_opens_no_exception(harness: Harness) -> None:
    student_id = await harness.student()
    await harness.set("library", student_id, OWING)
    (late,) = await harness.departments["library"].take_outbox()
    await harness.set("library", student_id, CLEAR_LIBRARY)
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    held_back = [late]
    for name, service in harness.departments.items():
        await service.receive([question])
        for record in await service.take_outbox():
            if "attestation" in record.topic:
                await harness.clearance.receive([record])
            elif name == "library":
                held_back.append(record)
    assert await harness.state(attempt_id) == ("accepted", "")
    for record in held_back:
        await harness.clearance.receive([record])
    assert await exception_count(harness, student_id) == 0


async def test_a_department_that_attests_clear_and_says_blocked_is_found_at_the_acceptance(
    harness: Harness,
) -> None:
    student_id, attempt_id = await asked(harness)
    answer, status = await contradiction(harness, student_id)
    await harness.clearance.receive([status])
    await harness.clearance.receive([answer])
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("accepted", "")
    assert await exception_count(harness, student_id) == 1


async def side_by_side(harness: Harness) -> str:
    """A student whose acceptance and whose lost pass were committed without having seen each other."""
    student_id, attempt_id = await asked(harness)
    answer, status = await contradiction(harness, student_id)
    for name in ("archives", "dorm", "finance"):
        for record in await harness.departments[name].take_outbox():
            await harness.deliver(record)
    async with harness.clearance.pool.acquire() as connection:
        projecting = connection.transaction()
        await projecting.start()
        await harness.projector.apply(connection, [status])
        await harness.clearance.receive([answer])
        await projecting.commit()
    assert await harness.state(attempt_id) == ("accepted", "")
    assert await exception_count(harness, student_id) == 0
    return student_id


async def test_a_status_and_an_acceptance_committed_side_by_side_are_seen_by_the_next_sweep(
    harness: Harness,
) -> None:
    student_id = await side_by_side(harness)
    async with harness.clearance.pool.acquire() as connection:
        assert await exceptions.update_recent(connection) == 1
        assert await exceptions.update_recent(connection) == 0
    assert await exception_count(harness, student_id) == 1


async def test_they_are_seen_too_if_nobody_looked_for_longer_than_usual(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clearance, or its database, went down right behind the two commits."""
    monkeypatch.setattr(exceptions, "RECENT_S", 0.1)
    monkeypatch.setattr(exceptions, "RECHECK_EVERY_S", 0.05)
    student_id = await side_by_side(harness)
    await asyncio.sleep(0.2)

    looking = asyncio.create_task(exceptions.recheck(harness.clearance.pool))
    try:

        async def seen() -> bool:
            return await exception_count(harness, student_id) == 1

        await eventually(seen, what="the exception", timeout_s=5)
    finally:
        await ended([looking])
