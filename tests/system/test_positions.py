"""Where the projector reads on: from its database, whatever Kafka remembers, whoever else reads, and from zero."""

import json
from collections.abc import Mapping
from typing import Any

from deploy.local.installation import Installation, new_student_id
from schemas.flows import CLEARANCE
from services.clearance.view.projector import PROJECTOR
from services.clearance.view.view_store import view_hash
from tests.support.kafka import groups
from tests.support.kafka.topics import Producer, each_once, everything, versions
from tests.support.waiting import eventually

SECOND = f"{CLEARANCE}:2"


async def fined(core: Installation, students: list[str], fine_id: str) -> None:
    for student_id in students:
        await core.operate("library", "fine", student_id=student_id, fine_id=fine_id, amount="1.00")


async def hash_of_view(core: Installation) -> str:
    return await view_hash(await core.database(CLEARANCE))


async def test_a_view_replayed_from_zero_is_equal_by_hash(core: Installation) -> None:
    students = await core.students(5)
    await fined(core, students, "F-1")
    async with Producer(core.kafka) as producer:  # said twice, and once what nobody can read: both are part of it
        records = await everything(core.kafka, core.topics.status("library"))
        again = next(record for record in records if record.key == students[0].encode())
        await producer.send(again.topic, again.key, again.value, again.headers)
        await producer.send(again.topic, students[1].encode(), b"no word of ours")
    await core.in_step("library")

    async def parked() -> bool:
        return bool(await (await core.database(CLEARANCE)).fetchval("SELECT count(*) FROM dead_letter"))

    await eventually(parked, what="the unreadable record to be parked")
    live = await hash_of_view(core)
    said = await core.viewed("library")
    assert core.stop(CLEARANCE) == 0
    await (await core.database(CLEARANCE)).execute("TRUNCATE status, source, consumer_offset")
    assert await hash_of_view(core) != live
    await core.start(CLEARANCE)

    async def equal() -> bool:
        return await hash_of_view(core) == live

    await eventually(equal, what="the replayed view to be equal")
    assert await core.viewed("library") == said
    letters = await (await core.database(CLEARANCE)).fetchval("SELECT count(*) FROM dead_letter WHERE ended_at IS NULL")
    assert letters == 1, "read again, it is the same dead letter"
    rebuilt = core.command(CLEARANCE, "rebuild", "--check")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert " 0 differing" in rebuilt.stdout


async def test_kafkas_offsets_count_for_nothing(core: Installation) -> None:
    topic = core.topics.status("library")
    students = await core.students(3)
    await fined(core, students, "F-1")
    await core.in_step("library")
    for moved in ("end", "zero", "deleted"):
        assert core.stop(CLEARANCE) == 0
        await fined(core, students, f"F-{moved}")
        if moved == "deleted":
            await groups.delete(core.kafka, core.topics.group(PROJECTOR))
        else:
            await groups.move(core.kafka, core.topics.group(PROJECTOR), topic, None if moved == "end" else 0)
        await core.start(CLEARANCE)
        await core.in_step("library")
    records = await everything(core.kafka, core.topics.status("library"))
    assert all(each_once(versions(records, student_id)) for student_id in students)


async def test_two_projectors_share_the_partitions_and_one_takes_over_from_the_other(
    core: Installation,
) -> None:
    students = await core.students(8)
    await core.start(SECOND)
    try:

        async def shared_by_two() -> bool:
            counts = await groups.shares(core.kafka, core.topics.group(PROJECTOR))
            return len(counts) == 2 and min(counts) > 0

        await eventually(shared_by_two, what="both to have partitions", timeout_s=60, poll_s=0.5)
        await fined(core, students, "F-1")
        await core.in_step("library")
        core.kill(CLEARANCE)
        await fined(core, students, "F-2")
        # The session of the dead one ends within 12 s; then the other reads what it left.
        await core.in_step("library", timeout_s=40)
        assert len(await groups.shares(core.kafka, core.topics.group(PROJECTOR))) == 1
    finally:
        await core.start(CLEARANCE)
        core.stop(SECOND)
    await fined(core, students, "F-3")
    await core.in_step("library")
    records = await everything(core.kafka, core.topics.status("library"))
    assert all(versions(records, student_id) == [1, 2, 3, 4] for student_id in students)


async def test_a_long_transaction_with_a_low_outbox_id_loses_nothing(core: Installation) -> None:
    slow, *quick = await core.students(6)
    early = await core.connect("library")
    transaction = early.transaction()
    await transaction.start()
    low = await early.fetchval("SELECT nextval(pg_get_serial_sequence('outbox', 'id'))")
    await fined(core, quick, "F-1")
    await core.in_step("library")
    records = await everything(core.kafka, core.topics.status("library"))
    said = next(record for record in records if record.key == slow.encode())
    word = json.loads(said.value)
    word["data"] |= {"version": 2}
    await early.execute(
        "INSERT INTO outbox (id, topic, key, value) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4)",
        low,
        said.topic,
        said.key,
        json.dumps(word).encode(),  # in a spelling that is not the kit's: readable all the same
    )
    await fined(core, quick, "F-2")
    await core.in_step("library")
    assert (await core.viewed("library"))[slow][0] == 1
    # As a real writer does: a record that lags behind its status is a finding, and asked to be published again.
    await early.execute(
        "UPDATE record SET status_version = 2, status = $2 WHERE student_id = $1", slow, json.dumps(word["data"])
    )
    await transaction.commit()
    await early.close()

    async def heard() -> bool:
        return (await core.viewed("library"))[slow][0] == 2

    await eventually(heard, what="what was said late under a low id")


async def test_an_import_whose_department_is_killed_is_finished_by_the_next_one(core: Installation) -> None:
    students = await core.students(60)
    blocker = await core.connect("library")
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("SELECT FROM record WHERE student_id = $1 FOR UPDATE", students[-1])
    rows = "".join(f"{student_id},approved\n" for student_id in students)
    file = f"student_id,thesis\n{rows}{new_student_id()},no such state\n".encode()
    job = await send_file(core, file)

    async def stands_in_the_middle() -> bool:
        now = (await core.client("library").get(f"/imports/{job['job_id']}")).json()
        return bool(0 < now["applied"] < len(students))

    await eventually(stands_in_the_middle, what="the first rows to be applied")
    core.kill("library")
    await transaction.rollback()
    await blocker.close()
    await core.start("library")
    job = await finished(core, job)
    assert (job["applied"] + job["unchanged"], job["rejected"]) == (len(students), 1)
    rejected = (await core.client("library").get(f"/imports/{job['job_id']}/rows?state=rejected")).json()["rows"]
    assert [row["row"] for row in rejected] == [len(students) + 2], "counted as a spreadsheet does, headings first"
    again = await finished(core, await send_file(core, file))
    assert (again["applied"], again["unchanged"], again["rejected"]) == (0, len(students), 1)
    await core.in_step("library")
    records = await everything(core.kafka, core.topics.status("library"))
    # A relay killed between sending and deleting sends again: a version may be repeated, and none is a third.
    published = {tuple(versions(records, student_id)) for student_id in students}
    assert {tuple(sorted(set(numbers))) for numbers in published} == {(1, 2)}, published


async def send_file(core: Installation, file: bytes) -> dict[str, Any]:
    answer = await core.client("library").post("/imports", content=file, headers={"Content-Type": "text/csv"})
    assert answer.status_code in (200, 202), answer.text
    job: dict[str, Any] = answer.json()
    return job


async def finished(core: Installation, job: Mapping[str, Any]) -> dict[str, Any]:
    """The import once every row of it was tried."""
    now: dict[str, Any] = {}

    async def done() -> bool:
        now.update((await core.client("library").get(f"/imports/{job['job_id']}")).json())
        return bool(now["state"] == "done")

    await eventually(done, what="the import to be finished", timeout_s=40)
    return now
