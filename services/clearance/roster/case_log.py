"""The clearance's case topic, read back by its relay: what a database from a backup does not know any more."""

import time
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import ConsumerRecord

from schemas.codec import Unreadable, read
from schemas.events import CaseChanged
from schemas.types import is_plausible_version
from services.clearance.roster.case_store import SOURCE
from services.kit.messaging.relaying.own_topic import Newest
from services.kit.observability import metrics
from services.kit.republishing import store
from services.kit.republishing.store import EVERYTHING, LOG_LOST, RESTORED, Scope

_FOUND: Final = {"found_by": "relay"}
_log = structlog.get_logger(__name__)


class CaseLog:
    """A `relaying.own_topic.PublishedLog`. It has no alive marks: the topic is compacted, and is read whole."""

    marked = False

    def __init__(self, pool: "asyncpg.Pool[Any]", topic: str) -> None:
        self._pool, self.topic = pool, topic
        metrics.DATABASES_BEHIND.add(0, _FOUND)

    def version_of(self, record: ConsumerRecord) -> int:
        event = _case(record)
        return event.version if event else 0

    async def knows(self, newest: Newest) -> bool:
        said = [event for event in map(_case, newest.values()) if event is not None]
        unknown = await self._pool.fetchval(
            _UNKNOWN,
            [event.student_id for event in said],
            [event.version for event in said],
            [event.state.value for event in said],
            [event.cohort for event in said],
            self.topic,
        )
        return not unknown

    async def fell_behind(self, highest: int) -> None:
        """Every case goes on above `highest`, and is published again."""
        async with self._pool.acquire() as connection, connection.transaction():
            # Nobody opens or changes a case meanwhile: who waits reads the new version.
            await connection.execute("LOCK TABLE student_case IN EXCLUSIVE MODE")
            await connection.execute(_RAISE_FLOOR, highest)
            await connection.execute(_RAISE_CASES, highest)
            await store.request(connection, EVERYTHING, reason=RESTORED, by=SOURCE)
        metrics.DATABASES_BEHIND.add(1, _FOUND)
        _log.critical("version_floor.raised", **_FOUND, floor=highest)

    async def lost(self, partitions: Sequence[int]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            for partition in partitions:
                await store.request(connection, Scope(partition=partition), reason=LOG_LOST, by=SOURCE)


def _case(record: ConsumerRecord) -> CaseChanged | None:
    """One that every reader accepts."""
    try:
        event = read(record.value, record.headers)
    except Unreadable:
        return None
    if not isinstance(event, CaseChanged) or event.student_id.encode() != record.key:
        return None
    return event if is_plausible_version(event.version, time.time()) else None


# As `Case.published_state` has it. A case that is missing here is opened again above the floor.
# A student who was just forgotten has a tombstone on the way.
_UNKNOWN: Final = """
SELECT count(*) FROM unnest($1::text[], $2::int[], $3::text[], $4::text[]) AS said (student_id, version, state, cohort)
LEFT JOIN student_case AS stored USING (student_id)
WHERE (stored.student_id IS NULL AND said.version > (SELECT version FROM case_floor) OR stored.version < said.version
       OR stored.version = said.version AND (
            CASE WHEN stored.joined_to IS NOT NULL AND stored.state <> 'completed' THEN 'open' ELSE stored.state END,
            stored.cohort) IS DISTINCT FROM (said.state, said.cohort))
  AND NOT EXISTS (SELECT FROM outbox WHERE topic = $5 AND key = convert_to(said.student_id, 'UTF8') AND value IS NULL)
"""
_RAISE_FLOOR: Final = "UPDATE case_floor SET version = $1, raised_at = clock_timestamp() WHERE version < $1"
_RAISE_CASES: Final = "UPDATE student_case SET version = $1 WHERE version < $1"
