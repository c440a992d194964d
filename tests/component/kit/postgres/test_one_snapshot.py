"""What a leader reads at once is of one snapshot: a row committed between two statements is in neither."""

import asyncio

import asyncpg

from services.kit.postgres.leadership import LeaderSession


async def test_a_row_committed_between_two_queries_is_in_neither(database: str) -> None:
    writer = await asyncpg.connect(database)
    await writer.execute("CREATE TABLE seen (number int)")
    async with LeaderSession(database, "test") as session:
        reading = asyncio.create_task(
            session.fetch_at_once(
                ("SELECT (SELECT count(*) FROM seen) AS n, pg_sleep(1)",), ("SELECT count(*) AS n FROM seen",)
            )
        )
        await asyncio.sleep(0.4)
        await writer.execute("INSERT INTO seen VALUES (1)")
        first, second = await reading
        assert (first[0]["n"], second[0]["n"]) == (0, 0)
        assert (await session.fetch("SELECT count(*) AS n FROM seen"))[0]["n"] == 1
    await writer.close()
