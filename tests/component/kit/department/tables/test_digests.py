"""A department's digests: of every student's newest status, under the partition that Kafka gives the student."""

from deploy.local.installation import new_student_id
from services.kit.department.tables.record_store import DIGESTS
from services.kit.messaging.relaying.producer import partition_of
from tests.support.departments.desks import desk_over, open_case


async def test_the_database_gives_a_key_the_partition_that_the_producer_gives_it(database: str) -> None:
    async with desk_over(database, "library") as desk:
        keys = ["T", "TS", "TS1", "TS12", "TS123", *(new_student_id() for _ in range(200)), "长", "a-b-c-d-e-f"]
        for partitions in (1, 6, 12):
            rows = await desk.pool.fetch(
                "SELECT key, key_hash(key) % $2 AS partition FROM unnest($1::text[]) AS key", keys, partitions
            )
            assert [row["partition"] for row in rows] == [partition_of(key.encode(), partitions) for key in keys]


async def test_a_digest_counts_students_with_a_status_and_changes_with_any_of_them(database: str) -> None:
    async with desk_over(database, "library") as desk:
        students = [new_student_id() for _ in range(30)]
        for student_id in students:
            await open_case(desk, student_id)
        async with desk.pool.acquire() as connection, connection.transaction():
            await desk.lock(connection, new_student_id())

        async def digests() -> dict[int, tuple[int, str]]:
            rows = await desk.pool.fetch(DIGESTS, 6)
            return {row["partition"]: (row["count"], row["total"]) for row in rows}

        before = await digests()
        assert sum(count for count, _ in before.values()) == len(students)
        await desk.pool.execute("UPDATE record SET status = status || ' ' WHERE student_id = $1", students[0])
        after = await digests()
        changed = {partition for partition in before if before[partition] != after[partition]}
        assert changed == {partition_of(students[0].encode(), 6)}
