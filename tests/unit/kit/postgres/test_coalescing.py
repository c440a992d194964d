"""Concurrent reads share a statement, and each gets what was there after it asked."""

import asyncio

import pytest

from services.kit.postgres.coalescing import CoalescedReads


class Table:
    """Values by key. A read waits until it is let go."""

    def __init__(self, *, within_s: float = 60) -> None:
        self.values = {"a": 1, "b": 2}
        self.statements: list[list[str]] = []
        self.begun: asyncio.Queue[list[str]] = asyncio.Queue()
        self.go = asyncio.Event()
        self.go.set()
        self.error: Exception | None = None
        self.reads = CoalescedReads(self._read, within_s=within_s)

    async def _read(self, keys: list[str]) -> dict[str, int]:
        self.statements.append(keys)
        self.begun.put_nowait(keys)
        found = {key: self.values[key] for key in keys if key in self.values}
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return found


async def test_concurrent_reads_are_one_statement_and_each_gets_its_own() -> None:
    table = Table()
    assert await asyncio.gather(*(table.reads.get(key) for key in ("a", "b", "a", "c"))) == [1, 2, 1, None]
    assert table.statements == [["a", "b", "c"]]


async def test_who_asks_while_a_statement_runs_gets_what_was_there_after_it_asked() -> None:
    table = Table()
    table.go.clear()
    first = asyncio.create_task(table.reads.get("a"))
    await table.begun.get()
    table.values["a"] = 3
    second = asyncio.create_task(table.reads.get("a"))
    await asyncio.sleep(0)
    table.go.set()
    assert (await first, await second) == (1, 3)


async def test_a_read_after_the_last_statement_starts_one_of_its_own() -> None:
    table = Table()
    for expected in range(1, 50):
        assert await table.reads.get("b") == 2
        assert len(table.statements) == expected


async def test_a_failure_reaches_all_who_wait_and_nobody_after_them() -> None:
    table = Table()
    table.error = ConnectionError("gone")
    answers = await asyncio.gather(*(table.reads.get(key) for key in "ab"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionError, ConnectionError]
    table.error = None
    assert await table.reads.get("a") == 1


async def test_one_who_gives_up_does_not_end_the_wait_of_another_for_the_same_key() -> None:
    table = Table()
    table.go.clear()
    impatient, patient = (asyncio.create_task(table.reads.get("a")) for _ in range(2))
    await table.begun.get()
    impatient.cancel()
    await asyncio.sleep(0)
    table.go.set()
    assert await patient == 1


async def test_nobody_waits_longer_than_the_bound_behind_a_statement_that_hangs() -> None:
    table = Table(within_s=0.05)
    table.go.clear()
    first = asyncio.create_task(table.reads.get("a"))
    await table.begun.get()
    for waiting in (first, asyncio.create_task(table.reads.get("b"))):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await waiting
    table.go.set()
    assert await table.reads.get("b") == 2
