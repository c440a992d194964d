"""Acknowledged rows are deleted together, at the latest after a moment, and an error of it is raised."""

import asyncio
from typing import Any, cast

import pytest

from services.kit.messaging.relaying import outbox_deleter
from services.kit.messaging.relaying.outbox_deleter import OutboxDeleter


class Connection:
    def __init__(self) -> None:
        self.deleted: list[list[int]] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.error: Exception | None = None

    async def execute(self, statement: str, ids: list[int]) -> None:
        assert statement.startswith("DELETE FROM outbox")
        await self.goes_on.wait()
        if self.error is not None:
            raise self.error
        self.deleted.append(ids)


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def deleter(connection: Connection) -> OutboxDeleter:
    return OutboxDeleter(cast(Any, connection))


async def test_those_of_several_sends_are_deleted_by_one_statement_after_a_moment(
    connection: Connection, deleter: OutboxDeleter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_deleter, "GATHER_S", 0.02)
    deleter.add([1])
    await asyncio.sleep(0)
    deleter.add([2, 3])
    assert connection.deleted == []
    await asyncio.sleep(0.1)
    assert connection.deleted == [[1, 2, 3]]
    deleter.add([4])
    await asyncio.sleep(0.1)
    assert connection.deleted == [[1, 2, 3], [4]]


async def test_a_flush_waits_for_all_that_was_added_and_for_no_moment(
    connection: Connection, deleter: OutboxDeleter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_deleter, "GATHER_S", 60.0)
    await deleter.flush()
    deleter.add([1])
    await deleter.flush()
    assert connection.deleted == [[1]]
    connection.goes_on.clear()
    deleter.add([2])
    deleter.start()
    await asyncio.sleep(0.01)
    deleter.add([3])
    flushing = asyncio.create_task(deleter.flush())
    await asyncio.sleep(0.01)
    assert not flushing.done(), "the second is being deleted"
    connection.goes_on.set()
    await asyncio.wait_for(flushing, 1.0)
    assert connection.deleted == [[1], [2], [3]]
    deleter.add([4])
    await asyncio.sleep(0.01)
    assert connection.deleted[-1] == [3], "it gathers again"


async def test_an_error_is_raised_by_whoever_comes_next(connection: Connection, deleter: OutboxDeleter) -> None:
    connection.error = OSError("gone")
    deleter.add([1])
    deleter.start()
    await asyncio.sleep(0.01)
    with pytest.raises(OSError, match="gone"):
        deleter.add([2])
    with pytest.raises(OSError, match="gone"):
        await deleter.flush()
