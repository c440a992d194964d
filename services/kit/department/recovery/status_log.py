"""A department's status topic, read back by its relay: what a database from a backup does not know any more."""

import time
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from aiokafka import ConsumerRecord

from schemas.codec import Unreadable, open_envelope, read_status
from schemas.events import TYPE_OF, StatusChanged
from schemas.flows import source_of
from schemas.types import is_plausible_version
from services.kit.department.recovery import version_floor
from services.kit.messaging.relaying.own_topic import Newest
from services.kit.observability import metrics
from services.kit.postgres.pool import Connection
from services.kit.republishing import store
from services.kit.republishing.store import EVERYTHING, LOG_LOST, RESTORED, Scope

_STATUS: Final = TYPE_OF[StatusChanged]


class StatusLog:
    """A `relaying.own_topic.PublishedLog`."""

    marked = True

    def __init__(self, pool: "asyncpg.Pool[Any]", department: str, topic: str) -> None:
        self.topic = topic
        self._pool, self._department, self._source = pool, department, source_of(department)
        for finder in (version_floor.RELAY, version_floor.CLEARANCE):
            metrics.DATABASES_BEHIND.add(0, {"found_by": finder})

    def version_of(self, record: ConsumerRecord) -> int:
        return _status(record)[0]

    async def knows(self, newest: Newest) -> bool:
        found = [(key.decode("ascii", "replace"), *_status(record)) for key, record in newest.items()]
        said = [one for one in found if one[1]]
        students, versions, statuses = zip(*said, strict=True) if said else ((), (), ())
        unknown = await self._pool.fetchval(_UNKNOWN, students, versions, statuses, self.topic)
        return not unknown

    async def fell_behind(self, highest: int) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await version_floor.raise_to(connection, highest, found_by=version_floor.RELAY)
            await store.request(connection, EVERYTHING, reason=RESTORED, by=self._source)

    async def lost(self, partitions: Sequence[int]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            for partition in partitions:
                await self._ask_again(connection, Scope(partition=partition))

    async def made_anew(self) -> None:
        """The topic, while the relay leads."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._ask_again(connection, EVERYTHING)

    async def _ask_again(self, connection: Connection, scope: Scope) -> None:
        await store.request(connection, scope, reason=LOG_LOST, by=self._source)


def _status(record: ConsumerRecord) -> tuple[int, str]:
    """Version and data of a status that every reader accepts; else version 0."""
    try:
        envelope = open_envelope(record.value, record.headers)
        if envelope.type != _STATUS:
            return 0, ""
        status = read_status(record.value or b"", envelope)
    except Unreadable:
        return 0, ""
    if status.student_id.encode() != record.key or not is_plausible_version(status.version, time.time()):
        return 0, ""
    return status.version, str(envelope.data, "utf-8")


# A student who was just forgotten has a tombstone on the way.
_UNKNOWN: Final = """
SELECT count(*) FROM unnest($1::text[], $2::int[], $3::text[]) AS said (student_id, version, status)
LEFT JOIN record USING (student_id)
WHERE (record.student_id IS NULL OR record.status_version < said.version
       OR record.status_version = said.version AND record.status <> said.status)
  AND NOT EXISTS (SELECT FROM outbox WHERE topic = $4 AND key = convert_to(said.student_id, 'UTF8') AND value IS NULL)
"""
