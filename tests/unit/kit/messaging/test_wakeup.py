"""A loop that sleeps until there is something to do: woken once, in time or not, and ended at any moment."""

import asyncio

import pytest

from services.kit.messaging.outbox import Wakeup
from services.kit.runtime.background import background
from services.kit.runtime.health import Health


async def test_a_notification_wakes_once_whether_it_comes_before_or_during_the_wait() -> None:
    wakeup = Wakeup()
    wakeup.notify()
    wakeup.notify()

    assert await wakeup.wait(0.0)
    assert not await wakeup.wait(0.0)
    waiting = asyncio.create_task(wakeup.wait(5.0))
    await asyncio.sleep(0)
    wakeup.notify()
    assert await waiting
    assert not await wakeup.wait(0.01)


@pytest.mark.parametrize("turns", range(5))
async def test_a_loop_that_is_ended_in_the_turn_of_a_notification_ends(turns: int) -> None:
    wakeup = Wakeup()

    async def run() -> None:
        while True:
            await wakeup.wait(60.0)

    began_s = asyncio.get_running_loop().time()
    async with background("loop", run, Health(), stop_timeout_s=3.0):
        await asyncio.sleep(0.01)
        wakeup.notify()
        for _ in range(turns):
            await asyncio.sleep(0)
    assert asyncio.get_running_loop().time() - began_s < 1.0
