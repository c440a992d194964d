"""Processes that end at the worst moment: after each, the view says what the departments said, and each thing once."""

from contextlib import suppress

import httpx
import pytest

from deploy.local.installation import Installation
from schemas.flows import CLEARANCE
from tests.support.kafka.topics import each_once, everything, nothing_lost, versions
from tests.support.waiting import eventually

FINES = 3
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
"""Sessions of the clearance's database that stand before somebody's lock."""


async def fine(pair: Installation, students: list[str], fines: int = FINES) -> None:
    """Changes at the library's desk: each is a new version of the student's status."""
    for number in range(fines):
        for student_id in students:
            await pair.operate("library", "fine", student_id=student_id, fine_id=f"F-{number}", amount="1.00")


async def dead_letters(pair: Installation, service: str) -> int:
    count: int = await (await pair.database(service)).fetchval("SELECT count(*) FROM dead_letter")
    return count


async def test_a_service_asked_to_end_ends_in_good_order(pair: Installation) -> None:
    assert pair.stop("library") == 0
    assert pair.stop(CLEARANCE) == 0


@pytest.mark.parametrize("failpoint", ["consumer.after_poll", "consumer.before_commit", "consumer.after_commit"])
async def test_a_projector_that_dies_in_a_batch_goes_on_where_its_database_says(
    pair: Installation, failpoint: str
) -> None:
    students = await pair.students(4)
    pair.stop(CLEARANCE)
    await fine(pair, students)
    await pair.start(CLEARANCE, failpoint=failpoint, wait=False)
    await pair.crashed(CLEARANCE)
    await pair.start(CLEARANCE)
    await pair.in_step("library")
    records = await everything(pair.kafka, pair.topics.status("library"))
    for student_id in students:
        assert each_once(versions(records, student_id))
        assert (await pair.viewed("library"))[student_id][0] == 1 + FINES
    assert await dead_letters(pair, CLEARANCE) == 0


async def test_a_projector_killed_while_it_writes_a_batch_leaves_nothing_half_written(
    pair: Installation,
) -> None:
    students = await pair.students(6)
    before = await pair.viewed("library")
    blocker = await pair.connect(CLEARANCE)
    transaction = blocker.transaction()
    await transaction.start()
    # The last row of the batch is ours, so the projector stands still inside its transaction, with the others written.
    await blocker.execute("SELECT FROM status WHERE student_id = $1 FOR UPDATE", max(students))
    await fine(pair, students, 1)

    async def stands_in_its_batch() -> bool:
        return bool(await blocker.fetchval(WAITING))

    await eventually(stands_in_its_batch, what="the projector to stand inside a batch")
    pair.kill(CLEARANCE)
    await transaction.rollback()
    await blocker.close()
    seen = await pair.viewed("library")
    assert seen[max(students)] == before[max(students)]
    assert seen != await pair.published("library")
    await pair.start(CLEARANCE)
    await pair.in_step("library")
    records = await everything(pair.kafka, pair.topics.status("library"))
    assert all(each_once(versions(records, student_id)) for student_id in students)


@pytest.mark.parametrize("failpoint", ["consumer.before_commit", "consumer.after_commit"])
async def test_a_department_that_dies_as_it_hears_of_a_case_gives_one_first_word(
    pair: Installation, failpoint: str
) -> None:
    pair.stop("library")
    students = [await pair.enrol() for _ in range(3)]
    await pair.start("library", failpoint=failpoint, wait=False)
    await pair.crashed("library")
    await pair.start("library")
    await pair.opened("library", students)
    await pair.in_step("library")
    records = await everything(pair.kafka, pair.topics.status("library"))
    assert [versions(records, student_id) for student_id in students] == [[1]] * 3


@pytest.mark.parametrize(
    "failpoint", ["relay.after_select", "relay.after_send", "relay.before_delete", "relay.after_delete"]
)
async def test_a_relay_that_dies_between_sending_and_deleting_loses_nothing(pair: Installation, failpoint: str) -> None:
    students = await pair.students(3)
    pair.kill("library")
    await pair.start("library", failpoint=failpoint)
    with suppress(httpx.TransportError):  # it ends among these
        await fine(pair, students)
    await pair.crashed("library")
    await pair.start("library")
    await pair.in_step("library")
    said = await pair.published("library")
    records = await everything(pair.kafka, pair.topics.status("library"))
    for student_id in students:
        assert nothing_lost(versions(records, student_id))
        assert max(versions(records, student_id)) == said[student_id][0]

    async def nothing_kept() -> bool:
        return not await (await pair.database("library")).fetchval("SELECT count(*) FROM outbox")

    await eventually(nothing_kept, what="the outbox to be empty")


@pytest.mark.parametrize(("failpoint", "kept"), [("desk.before_commit", False), ("desk.after_commit", True)])
async def test_a_desk_whose_process_dies_has_said_and_done_both_or_neither(
    pair: Installation, failpoint: str, kept: bool
) -> None:
    (student_id,) = await pair.students(1)
    pair.kill("library")
    await pair.start("library", failpoint=failpoint)
    body = {"student_id": student_id, "fine_id": "F-1", "amount": "2.00"}
    headers = {"Idempotency-Key": f"once-{student_id}"}
    with pytest.raises(httpx.TransportError):
        await pair.client("library").post("/operations/fine", json=body, headers=headers)
    await pair.crashed("library")
    await pair.start("library")
    await pair.in_step("library")
    assert (await pair.published("library"))[student_id][0] == (2 if kept else 1)
    again = (await pair.client("library").post("/operations/fine", json=body, headers=headers)).json()
    assert (again["status_version"], again["repeated"]) == (2, kept), "asked again, it is done once"
    await pair.in_step("library")
