"""Processes that end at the worst moment: after each, the view says what the departments said, and each thing once."""

import httpx
import pytest

from deploy.local.installation import Installation
from schemas.flows import CLEARANCE
from services.kit.names import AdvisoryLock
from tests.support.kafka.topics import each_once, everything, nothing_lost, versions
from tests.support.waiting import eventually

FINES = 3
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
"""Sessions of the clearance's database that stand before somebody's lock."""


async def fine(core: Installation, students: list[str], fines: int = FINES) -> None:
    """Changes at the library's desk: each is a new version of the student's status."""
    for number in range(fines):
        for student_id in students:
            await core.operate("library", "fine", student_id=student_id, fine_id=f"F-{number}", amount="1.00")


async def dead_letters(core: Installation, service: str) -> int:
    count: int = await (await core.database(service)).fetchval("SELECT count(*) FROM dead_letter")
    return count


async def test_a_service_asked_to_end_ends_in_good_order(core: Installation) -> None:
    assert core.stop("library") == 0
    assert core.stop(CLEARANCE) == 0


@pytest.mark.parametrize("failpoint", ["consumer.after_poll", "consumer.before_commit", "consumer.after_commit"])
async def test_a_projector_that_dies_in_a_batch_goes_on_where_its_database_says(
    core: Installation, failpoint: str
) -> None:
    students = await core.students(4)
    core.stop(CLEARANCE)
    await fine(core, students)
    await core.start(CLEARANCE, failpoint=failpoint, wait=False)
    await core.crashed(CLEARANCE)
    await core.start(CLEARANCE)
    await core.in_step("library")
    records = await everything(core.kafka, core.topics.status("library"))
    for student_id in students:
        assert each_once(versions(records, student_id))
        assert (await core.viewed("library"))[student_id][0] == 1 + FINES
    assert await dead_letters(core, CLEARANCE) == 0


async def test_a_projector_killed_while_it_writes_a_batch_leaves_nothing_half_written(
    core: Installation,
) -> None:
    students = await core.students(6)
    before = await core.viewed("library")
    blocker = await core.connect(CLEARANCE)
    transaction = blocker.transaction()
    await transaction.start()
    # The last row of the batch is ours, so the projector stands still inside its transaction, with the others written.
    await blocker.execute("SELECT FROM status WHERE student_id = $1 FOR UPDATE", max(students))
    # Read together: a status that comes alone is stored by a statement that is a transaction of its own.
    core.stop(CLEARANCE)
    await fine(core, students)
    await core.start(CLEARANCE, wait=False)

    async def stands_in_its_batch() -> bool:
        # Within a transaction the first look would be kept.
        return bool(await (await core.database(CLEARANCE)).fetchval(WAITING))

    await eventually(stands_in_its_batch, what="the projector to stand inside a batch")
    core.kill(CLEARANCE)
    await transaction.rollback()
    await blocker.close()
    seen = await core.viewed("library")
    assert seen[max(students)] == before[max(students)]
    assert seen != await core.published("library")
    await core.start(CLEARANCE)
    await core.in_step("library")
    records = await everything(core.kafka, core.topics.status("library"))
    assert all(each_once(versions(records, student_id)) for student_id in students)


@pytest.mark.parametrize("failpoint", ["consumer.before_commit", "consumer.after_commit"])
async def test_a_department_that_dies_as_it_hears_of_a_case_gives_one_first_word(
    core: Installation, failpoint: str
) -> None:
    core.stop("library")
    students = [await core.enrol() for _ in range(3)]
    await core.start("library", failpoint=failpoint, wait=False)
    await core.crashed("library")
    await core.start("library")
    await core.opened("library", students)
    await core.in_step("library")
    records = await everything(core.kafka, core.topics.status("library"))
    assert [versions(records, student_id) for student_id in students] == [[1]] * 3


@pytest.mark.parametrize(
    "failpoint", ["relay.after_select", "relay.after_send", "relay.before_delete", "relay.after_delete"]
)
async def test_a_relay_that_dies_between_sending_and_deleting_loses_nothing(core: Installation, failpoint: str) -> None:
    students = await core.students(3)

    async def nothing_kept() -> bool:
        return not await (await core.database("library")).fetchval("SELECT count(*) FROM outbox")

    core.kill("library")
    leader = await core.connect("library")
    await leader.execute("SELECT pg_advisory_lock($1)", AdvisoryLock.RELAY_LEADER)
    await core.start("library")
    await fine(core, students)
    core.kill("library")
    await leader.close()
    assert not await nothing_kept(), "what was said waits for a relay"
    await core.start("library", failpoint=failpoint, wait=False)
    await core.crashed("library")
    await core.start("library")
    await core.in_step("library")
    said = await core.published("library")
    records = await everything(core.kafka, core.topics.status("library"))
    for student_id in students:
        assert nothing_lost(versions(records, student_id))
        assert max(versions(records, student_id)) == said[student_id][0]
    await eventually(nothing_kept, what="the outbox to be empty")


@pytest.mark.parametrize(("failpoint", "kept"), [("desk.before_commit", False), ("desk.after_commit", True)])
async def test_a_desk_whose_process_dies_has_said_and_done_both_or_neither(
    core: Installation, failpoint: str, kept: bool
) -> None:
    (student_id,) = await core.students(1)
    core.kill("library")
    await core.start("library", failpoint=failpoint)
    body = {"student_id": student_id, "fine_id": "F-1", "amount": "2.00"}
    headers = {"Idempotency-Key": f"once-{student_id}"}
    with pytest.raises(httpx.TransportError):
        await core.client("library").post("/operations/fine", json=body, headers=headers)
    await core.crashed("library")
    await core.start("library")
    await core.in_step("library")
    assert (await core.published("library"))[student_id][0] == (2 if kept else 1)
    again = (await core.client("library").post("/operations/fine", json=body, headers=headers)).json()
    assert (again["status_version"], again["repeated"]) == (2, kept), "asked again, it is done once"
    await core.in_step("library")
