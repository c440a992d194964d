"""The clearance publishes cases and ends of attempts again: a department that missed them is as it should be."""

from schemas.events import CaseChanged, CaseState, SubmissionAccepted, SubmissionRefused
from services.clearance.submission.republication import CasePublisher
from services.kit.messaging.outbox import Wakeup
from services.kit.republishing import store
from services.kit.republishing.store import Scope
from services.kit.republishing.worker import Republisher
from tests.support.in_process.services import DEPARTMENTS
from tests.support.in_process.submission_harness import OWING, Harness, of


async def publish_again(harness: Harness, *students: str) -> None:
    pool = harness.clearance.pool
    async with pool.acquire() as connection, connection.transaction():
        await store.request(connection, Scope(students), reason="a backup was restored", by="operator-1")
    republisher = Republisher(pool, CasePublisher(harness.roster, harness.topics), Wakeup())
    while await republisher.batch():
        pass


async def test_a_department_that_missed_the_case_and_the_end_of_an_attempt_is_told_again(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    await harness.ask_departments(question)
    # The end of the attempt and the completed case never reach the dorm.
    await harness.deliver_all(without=["dorm"])
    records = list(await harness.departments["dorm"].take_outbox())
    for record in records:
        await harness.deliver(record, without=["dorm"])
    await harness.deliver_all(without=["dorm"])
    assert await harness.state(attempt_id) == ("accepted", "")
    assert await harness.holds(student_id) == {"dorm": [attempt_id]}
    await publish_again(harness, student_id)
    events = await harness.deliver_all()
    (accepted,) = of(events, SubmissionAccepted)
    assert accepted.attempt_id == attempt_id
    (case,) = of(events, CaseChanged)
    assert (case.state, case.version) == (CaseState.COMPLETED, 3)
    assert await harness.holds(student_id) == {}
    for name in DEPARTMENTS:
        row = await harness.departments[name].pool.fetchrow(
            "SELECT case_state, case_version FROM record WHERE student_id = $1", student_id
        )
        assert row is not None
        assert (row["case_state"], row["case_version"]) == ("completed", 3)
        assert await harness.departments[name].pool.fetchval("SELECT count(*) FROM dead_letter") == 0


async def test_a_refused_attempt_is_refused_again_and_changes_nothing(harness: Harness) -> None:
    student_id = await harness.student()
    await harness.set("library", student_id, OWING)
    attempt_id = await harness.submitted(student_id)
    assert await harness.state(attempt_id) == ("refused", "objected")
    await publish_again(harness, student_id)
    (refused,) = of(await harness.deliver_all(), SubmissionRefused)
    assert (refused.attempt_id, list(refused.objections)) == (attempt_id, ["library"])
    assert await harness.state(attempt_id) == ("refused", "objected")
