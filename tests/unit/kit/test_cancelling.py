"""Tasks are ended even if they miss a cancellation, and waited for no longer than that takes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from services.kit import cancelling
from services.kit.cancelling import ended

Begin = Callable[[int], Awaitable["asyncio.Task[None]"]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "_AGAIN_AFTER_S", 0.01)


async def missing(cancellations: int) -> None:
    """Goes on after so many."""
    for _ in range(cancellations):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


@pytest.fixture
async def begun() -> AsyncIterator[Begin]:
    """Whatever comes of the test, its tasks end: the event loop would wait for them for ever."""
    tasks: list[asyncio.Task[None]] = []

    async def begin(cancellations: int) -> "asyncio.Task[None]":
        tasks.append(asyncio.create_task(missing(cancellations)))
        await asyncio.sleep(0)
        return tasks[-1]

    yield begin
    while not all(task.done() for task in tasks):
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)


@pytest.mark.parametrize("missed", [0, 1, 5])
async def test_a_task_that_misses_cancellations_is_ended(missed: int, begun: Begin) -> None:
    tasks = [await begun(0), await begun(missed)]
    await ended(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_a_task_that_takes_no_notice_is_left_behind(begun: Begin) -> None:
    task = await begun(1_000)
    await ended([task])
    assert not task.done()


async def test_tasks_that_have_ended_are_none_to_wait_for() -> None:
    async def failing() -> None:
        raise ValueError

    task = asyncio.create_task(failing())
    await asyncio.wait({task})
    await ended([task])
    await ended([])
