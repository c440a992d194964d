"""Collects a student's due occasions into a notice for each channel the student can be reached by."""

from collections.abc import Collection
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.messaging.outbox import Wakeup
from services.kit.postgres.pool import Connection
from services.notices.news.channels import Channel
from services.notices.news.summary import summarise, taken_now
from services.notices.tables import contacts, notices, occasions

_POLL_S: Final = 1.0
_STUDENTS: Final = 100
"""Of one turn."""


class Collector:
    """Any number of instances may run: they skip one another's rows."""

    def __init__(self, pool: "asyncpg.Pool[Any]", channels: Collection[Channel], noted: Wakeup) -> None:
        self._pool, self._channels, self._noted = pool, channels, noted

    async def run(self) -> None:
        while True:
            with suppress_instrumentation():
                found = await self.turn()
            if found < _STUDENTS:
                await self._noted.wait(_POLL_S)

    async def turn(self) -> int:
        """How many students had something due."""
        async with self._pool.acquire() as connection:
            students = await occasions.due_students(connection, _STUDENTS)
            for student_id in students:
                async with connection.transaction():
                    await self._collect(connection, student_id)
        return len(students)

    async def _collect(self, connection: Connection, student_id: str) -> None:
        taken = taken_now(await occasions.uncollected(connection, student_id))
        contact = await contacts.contact_of(connection, student_id)
        ids = [identity for item in summarise(taken) for identity in item.occasions]
        for channel in contact.channels(self._channels) if contact and ids else ():
            if unsent := [one.occasion_id for one in await occasions.unsent(connection, channel, ids)]:
                await notices.write(connection, student_id, channel, unsent)
        await occasions.mark_collected(connection, taken)
