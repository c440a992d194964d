"""Publishes alive marks when they are due, some with the digest that was read beside the outbox.

Each is numbered in the database before it is sent, so that a database from a backup is known.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from schemas.events import StatusDigest
from services.kit.messaging.relaying.alive_marks import AliveMarks
from services.kit.messaging.relaying.producer import BatchProducer
from services.kit.postgres.leadership import LeaderSession, Query


class MarkPublisher:
    """Without `marks` it publishes nothing."""

    def __init__(self, producer: BatchProducer, marks: AliveMarks | None) -> None:
        self._producer, self._marks = producer, marks
        self._published_at = self._digest_at = 0.0

    async def digest_query(self) -> Query | None:
        """To be read in one snapshot with the whole outbox, if a digest is due."""
        marks = self._marks
        if marks is None or marks.digest_query is None or time.monotonic() - self._digest_at < marks.digest_every_s:
            return None
        return marks.digest_query, await self._producer.partitions(marks.topic)

    async def publish(self, session: LeaderSession, as_of: datetime, digests: Sequence[asyncpg.Record] | None) -> None:
        """`digests`: what the query found, if everything read of the outbox beside it is sent and nothing else."""
        marks = self._marks
        if marks is None or (digests is None and time.monotonic() - self._published_at < marks.every_s):
            return
        found = None
        if digests is not None:
            found = {row["partition"]: StatusDigest.of(row["count"], int(row["total"])) for row in digests}
        topic_id, partitions = await self._producer.topic(marks.topic)
        before = await session.fetchrow("SELECT topic_id FROM alive_mark WHERE topic = $1", marks.topic)
        if before is not None and before["topic_id"] not in (None, topic_id):
            await marks.on_new_topic()
        counted = await session.fetchrow(_NEXT, marks.topic, topic_id)
        assert counted is not None
        await self._producer.send(marks.records(as_of, partitions, found, number=counted["number"]))
        await session.execute(_ACKNOWLEDGED, marks.topic, counted["number"])
        self._published_at = time.monotonic()
        if found is not None:
            self._digest_at = self._published_at


_NEXT: Final = """
INSERT INTO alive_mark AS known (topic, number, topic_id) VALUES ($1, 1, $2)
ON CONFLICT (topic) DO UPDATE SET number = known.number + 1, topic_id = excluded.topic_id RETURNING number
"""
_ACKNOWLEDGED: Final = "UPDATE alive_mark SET acknowledged = $2 WHERE topic = $1"
