"""Asks a department to publish a partition that differs again, at longer and longer intervals."""

from datetime import datetime
from typing import Final
from uuid import uuid4

from schemas.events import RepublicationAsked
from schemas.flows import CLEARANCE, source_of
from schemas.topics import Topics
from services.kit.messaging import outbox
from services.kit.postgres.pool import Connection

AGAIN_AFTER_S: Final = 60.0
"""Doubled each time: a department that is down is not asked for ever more."""
MAX_AGAIN_S: Final = 3600.0
DIGEST_DIFFERS: Final = "digest-differs"

# Later than anything received, also by another instance with another clock: what is published again is received later.
_DUE: Final = """
UPDATE reconciliation_finding AS finding SET asked = asked + 1, asked_at = greatest($1::timestamptz, (
    SELECT max(heard_at) FROM status
    WHERE status.department = finding.department AND source_partition = finding.partition
))
WHERE finding_id IN (
    SELECT finding_id FROM reconciliation_finding
    WHERE healed_at IS NULL AND (
        asked_at IS NULL OR asked_at < $1::timestamptz
            - make_interval(secs => least($2::float8 * 2.0 ^ least(asked - 1, 20), $3::float8))
    ) FOR UPDATE SKIP LOCKED
)
RETURNING department, partition, asked
"""
_HIGHEST: Final = "SELECT max(version) FROM status WHERE department = $1 AND source_partition = $2"


async def ask(connection: Connection, topics: Topics, *, now: datetime, again_after_s: float = AGAIN_AFTER_S) -> int:
    """How many requests it made."""
    due = await connection.fetch(_DUE, now, again_after_s, MAX_AGAIN_S)
    for row in due:
        # A line with a version that the department never gave: it has to go on above it. Rare, so not asked at first.
        above = None
        if row["asked"] > 1:
            above = await connection.fetchval(_HIGHEST, row["department"], row["partition"])
        event = RepublicationAsked(
            request_id=uuid4(),
            department=row["department"],
            partition=row["partition"],
            above_version=above,
            reason=DIGEST_DIFFERS,
            asked_at=now,
        )
        await outbox.append(
            connection,
            topic=topics.republication,
            key=event.department,
            event=event,
            source=source_of(CLEARANCE),
            now=now,
        )
    return len(due)
