"""Alerts on the running system about what is in databases and topics: locked, slow, missing, edited, lost, refused."""

import asyncio

import asyncpg

from deploy.local.devices import devices
from deploy.local.installation import Installation
from deploy.local.servers.server import Running
from schemas.flows import CLEARANCE, GATEWAY
from tests.faults.alerts.watching import until_named, until_nothing_is_named, until_quiet
from tests.support.kafka.topics import Producer, everything, recreate
from tests.support.servers.backups import backup_of
from tests.support.servers.prometheus import Prometheus
from tests.support.servers.slow_database import SlowingProxy
from tests.support.waiting import eventually

BUSY = 30


async def test_a_table_that_is_missing_is_named(watched: Installation, prometheus: Prometheus) -> None:
    """Requests fail, and a task that reads it."""
    (student_id,) = await watched.students(1)
    assert not {"RequestsFail", "TaskFailing"} & await prometheus.firing()
    database = await watched.database("library")
    fine = {"student_id": student_id, "fine_id": "F-missing", "amount": "1.00"}
    await database.execute("ALTER TABLE hold RENAME TO hold_away")
    try:
        named = asyncio.create_task(until_named(prometheus, "RequestsFail", "TaskFailing"))
        while not named.done():
            answer = await watched.client("library").post(
                "/operations/fine", json=fine, headers={"Idempotency-Key": f"k-{student_id}"}
            )
            assert answer.status_code >= 500
            await asyncio.sleep(0.2)
        await named
    finally:
        await database.execute("ALTER TABLE hold_away RENAME TO hold")
    await watched.operate("library", "fine", **fine)


async def test_a_view_that_is_locked_is_named(watched: Installation, prometheus: Prometheus) -> None:
    students = await watched.students(BUSY)
    await until_quiet(prometheus, "DatabaseLocked", "ConsumerLagging")
    blocker = await watched.connect(CLEARANCE)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE status IN EXCLUSIVE MODE")
        for student_id in students:
            await watched.operate("library", "fine", student_id=student_id, fine_id="F-locked", amount="1.00")
        await until_named(prometheus, "DatabaseLocked", "ConsumerLagging")
    await blocker.close()


async def test_a_database_that_answers_slowly_is_named(
    watched: Installation, prometheus: Prometheus, proxy: tuple[SlowingProxy, str]
) -> None:
    async with asyncpg.create_pool(watched.database_dsn(GATEWAY), min_size=1, max_size=1) as pool:
        (device,) = await devices(pool, await watched.students(1))
    await until_quiet(prometheus, "DatabaseSlow", "PagesSlow")
    proxy[0].slow = watched.database_name(GATEWAY)
    try:
        named = asyncio.create_task(until_named(prometheus, "DatabaseSlow", "PagesSlow"))
        while not named.done():
            await device.read(watched.address(GATEWAY))
        await named
    finally:
        proxy[0].slow = ""
        await device.close()
    slow = await prometheus.series('ALERTS{alertname="DatabaseSlow", alertstate="firing"}')
    assert [one["metric"]["database"] for one in slow] == [GATEWAY]


async def test_a_record_edited_by_hand_is_named(watched: Installation, prometheus: Prometheus) -> None:
    (student_id,) = await watched.students(1)
    assert "RecordsEdited" not in await prometheus.firing()
    await (await watched.database("library")).execute(
        """UPDATE record SET body = jsonb_set(body, '{card}', '"cancelled"') WHERE student_id = $1""", student_id
    )
    await until_named(prometheus, "RecordsEdited")


async def test_a_hold_that_does_not_end_is_named(watched: Installation, prometheus: Prometheus) -> None:
    (student_id,) = await watched.students(1)
    await until_quiet(prometheus, "HoldStuck")
    database = await watched.database("library")
    await database.execute(
        "INSERT INTO hold (attempt_id, student_id, version, placed_at) "
        "VALUES (gen_random_uuid(), $1, 1, clock_timestamp() - interval '30 seconds')",
        student_id,
    )
    await until_named(prometheus, "HoldStuck")
    await database.execute("DELETE FROM hold WHERE student_id = $1", student_id)


async def test_a_row_that_was_refused_is_named(watched: Installation, prometheus: Prometheus) -> None:
    (student_id,) = await watched.students(1)
    await until_quiet(prometheus, "QuestionsOpen")
    await _import(watched, f"student_id,fine_id,fine_amount\n{student_id},F-refused,-1\n")
    await until_named(prometheus, "QuestionsOpen")
    await _import(watched, f"student_id,fine_id,fine_amount\n{student_id},F-refused,1.00\n")


async def _import(watched: Installation, file: str) -> None:
    answer = await watched.client("library").post("/imports", content=file, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 202, answer.text


async def test_an_older_version_behind_a_newer_one_is_named(watched: Installation, prometheus: Prometheus) -> None:
    """The view hides the line, so that it differs from the department."""
    (student_id,) = await watched.students(1)
    await watched.operate("library", "fine", student_id=student_id, fine_id="F-newer", amount="1.00")
    await watched.in_step("library", students=[student_id])
    await until_quiet(prometheus, "OlderVersions", "ViewDiffers")
    topic = watched.topics.status("library")
    older = next(one for one in await everything(watched.kafka, topic) if one.key == student_id.encode())
    async with Producer(watched.kafka) as producer:
        await producer.send(topic, older.key, older.value, older.headers)
    await until_named(prometheus, "OlderVersions", "ViewDiffers")


async def test_a_topic_that_was_made_anew_is_named(watched: Installation, prometheus: Prometheus) -> None:
    (student_id,) = await watched.students(1)
    assert "RecordsLost" not in await prometheus.firing()
    await recreate(watched.kafka, watched.topics, tuple(watched.departments), watched.topics.status("library"))
    await until_named(prometheus, "RecordsLost")
    await watched.operate("library", "fine", student_id=student_id, fine_id="F-anew", amount="1.00")
    await watched.in_step("library", students=[student_id])


async def test_a_database_restored_from_a_backup_is_named(
    watched: Installation, prometheus: Prometheus, postgres: Running
) -> None:
    students = await watched.students(2)

    async def counted() -> bool:
        return bool(await prometheus.series('lixiao_database_behind_total{job="library"}'))

    await eventually(counted, what="the count before the restore, without which nothing grows")
    assert "DatabaseBehind" not in await prometheus.firing()
    async with backup_of(postgres.address, watched.database_dsn("library")) as backup:
        for student_id in students:
            await watched.operate("library", "fine", student_id=student_id, fine_id="F-lost", amount="1.00")
        await watched.in_step("library")
        await backup.restore()
        await until_named(prometheus, "DatabaseBehind")

    async def in_step() -> bool:
        # As both are now: what the backup had is published again, above what was published since.
        return await watched.viewed("library") == await watched.published("library")

    # A statement on a connection that the restore cut off ends after 35 s.
    await eventually(in_step, what="the view to have what is published again", timeout_s=120)


async def test_what_has_no_fault_is_not_named(prometheus: Prometheus) -> None:
    """What was named above has ended, as far as it does not look back over minutes."""
    await until_nothing_is_named(prometheus)
