"""Metrics and the warning of readiness about notices that wait or are dead."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.observability import metrics
from services.notices.news.channels import Channel
from services.notices.tables import notices

_EVERY_S: Final = 5.0


class NoticeWatch:
    def __init__(self, pool: "asyncpg.Pool[Any]", channels: Collection[Channel]) -> None:
        self._pool, self._channels = pool, channels

    async def run(self) -> None:
        while True:
            with suppress_instrumentation():
                await self.once()
            await asyncio.sleep(_EVERY_S)

    async def once(self) -> dict[Channel, int]:
        """Channel → dead ones."""
        found = {}
        async with self._pool.acquire() as connection:
            for channel in self._channels:
                oldest, found[channel] = await notices.waiting_and_dead(connection, channel)
                metrics.NOTICE_AGE.set_oldest(oldest, channel=channel)
                metrics.DEAD_NOTICES.set(found[channel], {"channel": channel})
        return found

    async def warning(self) -> str | None:
        if not self._channels:
            return "no channel is configured: nothing is sent"
        dead = sum((await self.once()).values())
        return f"{dead} notices could not be sent: `notices list`, then `send-again` or `discard`" if dead else None
