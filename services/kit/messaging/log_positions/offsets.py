"""Consumer offsets, advanced in the transaction of the work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition

from services.kit.messaging.log_positions.log_identity import LogChanged, fingerprint
from services.kit.postgres.pool import Connection

DATABASE_OLDER: Final = "the database is older than what was committed here: it was restored"
Records = Sequence[ConsumerRecord]
_part_of: Final = attrgetter("topic", "partition")


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """`last_record`: fingerprint of the record before `next_offset`. `resets`: how often the position started over."""

    next_offset: int = 0
    topic_id: UUID | None = None
    last_record: bytes | None = None
    resets: int = 0


@dataclass(frozen=True, slots=True)
class NextPosition:
    """After a batch; as in `StoredPosition`."""

    next_offset: int
    last_record: bytes


def next_positions(records: Records) -> dict[TopicPartition, NextPosition]:
    """`records` ascend within a partition."""
    last = dict(zip(map(_part_of, records), records, strict=True))
    return {
        TopicPartition(*part): NextPosition(record.offset + 1, fingerprint(record)) for part, record in last.items()
    }


async def claim_unseen(
    connection: Connection,
    group: str,
    records: Records,
    resets: Mapping[TopicPartition, int],
    committed: Mapping[TopicPartition, int],
    topic_ids: Mapping[str, UUID],
) -> Records:
    """Lock the offsets and advance them behind `records`, and drop those that another member committed before.

    `resets` are those known when the records were read, `committed` the offsets that this member has committed. Raises
    `LogChanged` when a position has started over since, when the database is older than what was committed, or when a
    dropped record is not the one that was committed: aiokafka reads a log that was cut from its start.
    """
    following = next_positions(records)
    parts = sorted(following)
    rows = await connection.fetch(
        _CLAIM,
        group,
        [part.topic for part in parts],
        [part.partition for part in parts],
        [following[part].next_offset for part in parts],
        [following[part].last_record for part in parts],
        [topic_ids.get(part.topic) for part in parts],
    )
    stored = {TopicPartition(row["topic"], row["partition"]): row for row in rows}
    if any(resets.get(part, row["resets"]) != row["resets"] for part, row in stored.items()):
        raise LogChanged("another member has started a position over")
    next_offset = {part: row["next_offset"] for part, row in stored.items()}
    if any(next_offset.get(part, 0) < committed.get(part, 0) for part in parts):
        raise LogChanged(DATABASE_OLDER)
    first = dict(zip(map(_part_of, reversed(records)), reversed(records), strict=True))
    if all(record.offset >= next_offset.get(TopicPartition(*part), 0) for part, record in first.items()):
        return records
    unseen = []
    for record in records:
        part = record.topic, record.partition
        if record.offset >= next_offset.get(part, 0):
            unseen.append(record)
        elif record.offset == next_offset[part] - 1 and stored[part]["last_record"] not in (None, fingerprint(record)):
            raise LogChanged("another record stands where the last one was")
    return unseen


# `known` is counted, so read whole, before a row is written: positions are locked in order and told as they were.
_CLAIM: Final = """
WITH given AS (
    SELECT * FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::uuid[])
    AS given (topic, partition, next_offset, last_record, topic_id)
), known AS (
    SELECT topic, partition, next_offset, last_record, resets FROM consumer_offset
    WHERE consumer = $1 AND (topic, partition) IN (SELECT topic, partition FROM given)
    ORDER BY topic, partition FOR UPDATE
), saved AS (
    INSERT INTO consumer_offset AS stored (consumer, topic, partition, next_offset, last_record, topic_id)
    SELECT $1, given.* FROM given WHERE (SELECT count(*) FROM known) >= 0 ORDER BY topic, partition
    ON CONFLICT (consumer, topic, partition) DO UPDATE SET
        next_offset = greatest(stored.next_offset, excluded.next_offset),
        last_record = CASE WHEN excluded.next_offset >= stored.next_offset
                      THEN excluded.last_record ELSE stored.last_record END,
        topic_id = coalesce(excluded.topic_id, stored.topic_id)
)
SELECT * FROM known
"""


class OneClaim(NamedTuple):
    """Parameters of `STANDING` and `MOVED`: the position of one record's partition as it has to be, and as it will."""

    group: str
    topic: str
    partition: int
    known_offset: int
    known_record: bytes
    resets: int
    topic_id: UUID
    next_offset: int
    last_record: bytes


def claim_of_one(
    group: str,
    records: Records,
    resets: Mapping[TopicPartition, int],
    committed: Mapping[TopicPartition, NextPosition],
    topic_ids: Mapping[str, UUID],
) -> OneClaim | None:
    """As for `claim_unseen`, which does what this cannot: of several records, and of a partition's first."""
    if len(records) != 1:
        return None
    (record,) = records
    part = TopicPartition(record.topic, record.partition)
    known = committed.get(part)
    if known is None or record.offset < known.next_offset or part not in resets or part.topic not in topic_ids:
        return None
    return OneClaim(
        group,
        record.topic,
        record.partition,
        known.next_offset,
        known.last_record,
        resets[part],
        topic_ids[part.topic],
        record.offset + 1,
        fingerprint(record),
    )


STANDING: Final = """
SELECT FROM consumer_offset
WHERE (consumer, topic, partition, next_offset, last_record, resets, topic_id) = ({claim[0]}::text, {claim[1]}::text,
      {claim[2]}::int, {claim[3]}::bigint, {claim[4]}::bytea, {claim[5]}::int, {claim[6]}::uuid)
FOR UPDATE
"""
"""A row if the position is where this member has left it, locked: then nobody else has read what follows. `claim`: the
parameters of a `OneClaim`."""
MOVED: Final = """
UPDATE consumer_offset SET next_offset = {claim[7]}, last_record = {claim[8]}
WHERE (consumer, topic, partition) = ({claim[0]}, {claim[1]}, {claim[2]})
"""
"""In the statement of the work, which has to hang on `STANDING`, and this on the work."""


async def stored_positions(pool: "asyncpg.Pool[Any]", group: str) -> dict[TopicPartition, StoredPosition]:
    rows = await pool.fetch(_STORED, group)
    return {
        TopicPartition(row["topic"], row["partition"]): StoredPosition(
            row["next_offset"], row["topic_id"], row["last_record"], row["resets"]
        )
        for row in rows
    }


async def start_over(connection: Connection, group: str, part: TopicPartition, topic_id: UUID) -> int:
    """From the first record of the log that is there now. Returns how often that happened."""
    resets: int = await connection.fetchval(_START_OVER, group, part.topic, part.partition, topic_id)
    await connection.execute(_END_LOG, group, part.topic, part.partition, resets)
    return resets


async def adopt(pool: "asyncpg.Pool[Any]", group: str, topic_ids: Mapping[str, UUID]) -> None:
    """Positions stored before topic ids were."""
    await pool.execute(_ADOPT, group, list(topic_ids), list(topic_ids.values()))


_STORED: Final = """
SELECT topic, partition, next_offset, topic_id, last_record, resets FROM consumer_offset WHERE consumer = $1
"""
_START_OVER: Final = """
UPDATE consumer_offset SET next_offset = 0, last_record = NULL, topic_id = $4, resets = resets + 1
WHERE consumer = $1 AND topic = $2 AND partition = $3 RETURNING resets
"""
_END_LOG: Final = """
UPDATE dead_letter SET ended_log = $4 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND ended_log = 0
"""
_ADOPT: Final = """
UPDATE consumer_offset AS stored SET topic_id = named.topic_id
FROM unnest($2::text[], $3::uuid[]) AS named (topic, topic_id)
WHERE stored.consumer = $1 AND stored.topic = named.topic AND stored.topic_id IS NULL
"""
