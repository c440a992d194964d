"""Notices: the outbox of the senders. A sender takes some for a while, and marks each by how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.events import NoticeSent
from schemas.flows import NOTICES, source_of
from services.kit.messaging import outbox
from services.kit.postgres.pool import Connection
from services.notices.news.channels import Channel
from services.notices.news.occasions import notice_id

LEASE_S: Final = 300.0
"""A sender that was killed leaves its notices to others after this; longer than a batch may take."""


@dataclass(frozen=True, slots=True)
class Notice:
    """`expired`: it could not be sent for longer than is tried."""

    notice_id: UUID
    student_id: str
    occasions: tuple[UUID, ...]
    tries: int
    expired: bool


async def write(connection: Connection, student_id: str, channel: Channel, occasions: Sequence[UUID]) -> None:
    identity = notice_id(channel, occasions)
    await connection.execute(_WRITE, identity, student_id, channel, sorted(occasions))


async def anything_due(connection: Connection, channel: Channel) -> bool:
    return bool(await connection.fetchval(_ANYTHING_DUE, channel))


async def take(connection: Connection, channel: Channel, limit: int, *, give_up_s: float) -> list[Notice]:
    """Counted as a try, and due again after the lease."""
    rows = await connection.fetch(_TAKE, channel, limit, LEASE_S, give_up_s)
    return [
        Notice(row["notice_id"], row["student_id"], tuple(row["occasions"]), row["tries"], row["expired"])
        for row in rows
    ]


async def mark_sent(
    connection: Connection, topic: str, notice: Notice, channel: Channel, occasions: Sequence[UUID], now: datetime
) -> None:
    """Also into the service's own topic."""
    await _end(connection, notice.notice_id, "sent", None)
    await _sent(connection, channel, notice.student_id, occasions, now)
    event = NoticeSent(
        notice_id=notice.notice_id,
        student_id=notice.student_id,
        channel=channel,
        occasions=tuple(occasions),
        sent_at=now,
    )
    await outbox.append(connection, topic=topic, key=notice.student_id, event=event, source=source_of(NOTICES), now=now)


async def learn_sent(connection: Connection, event: NoticeSent) -> None:
    """From the topic: after a restore the database does not know it."""
    await _sent(connection, event.channel, event.student_id, event.occasions, event.sent_at)
    await connection.execute(
        "UPDATE notice SET state = 'sent', ended_at = $2, cause = NULL WHERE notice_id = $1 AND state <> 'sent'",
        event.notice_id,
        event.sent_at,
    )


async def postpone(connection: Connection, notice: Notice, cause: str, delay_s: float) -> None:
    await connection.execute(_POSTPONE, notice.notice_id, cause, delay_s)


async def give_back(connection: Connection, notice: Notice, cause: str, delay_s: float) -> None:
    """As it was before it was taken, but for the delay."""
    await connection.execute(_GIVE_BACK, notice.notice_id, cause, delay_s)


async def drop(connection: Connection, notice: Notice, cause: str) -> None:
    """Not to be sent any more: nothing is left to say, or no address."""
    await _end(connection, notice.notice_id, "dropped", cause)


async def bury(connection: Connection, notice: Notice, cause: str) -> None:
    """Dead: an operator decides."""
    await _end(connection, notice.notice_id, "dead", cause)


async def _end(connection: Connection, identity: UUID, state: str, cause: str | None) -> None:
    await connection.execute(
        "UPDATE notice SET state = $2, cause = $3, ended_at = now() WHERE notice_id = $1", identity, state, cause
    )


async def _sent(connection: Connection, channel: str, student_id: str, occasions: Sequence[UUID], at: datetime) -> None:
    await connection.execute(_SENT, list(occasions), channel, student_id, at)


async def listed(connection: Connection, state: str, limit: int) -> list[Any]:
    return list(await connection.fetch(_LISTED, state, limit))


async def revive(connection: Connection, identities: Sequence[UUID] | None) -> list[Any]:
    """Dead ones, all of them without `identities`, are due again; returns their students and channels."""
    return list(await connection.fetch(_REVIVE, identities))


async def discard(connection: Connection, identities: Sequence[UUID] | None, cause: str) -> list[Any]:
    return list(await connection.fetch(_DISCARD, identities, cause))


async def waiting_and_dead(connection: Connection, channel: Channel) -> tuple[datetime | None, int]:
    """When the oldest waiting one was made, and how many are dead."""
    row = await connection.fetchrow(_WAITING_AND_DEAD, channel)
    assert row is not None
    return row["oldest"], row["dead"]


_WRITE: Final = """
INSERT INTO notice (notice_id, student_id, channel, occasions) VALUES ($1, $2, $3, $4)
ON CONFLICT (notice_id) DO NOTHING
"""
_ANYTHING_DUE: Final = """
SELECT EXISTS (SELECT FROM notice WHERE channel = $1 AND state = 'waiting' AND due_at <= now())
"""
_TAKE: Final = """
UPDATE notice SET tries = tries + 1, due_at = now() + make_interval(secs => $3)
WHERE notice_id IN (
    SELECT notice_id FROM notice WHERE channel = $1 AND state = 'waiting' AND due_at <= now()
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING notice_id, student_id, occasions, tries, made_at + make_interval(secs => $4) < now() AS expired
"""
_POSTPONE: Final = """
UPDATE notice SET cause = $2, due_at = now() + make_interval(secs => $3) WHERE notice_id = $1 AND state = 'waiting'
"""
_GIVE_BACK: Final = """
UPDATE notice SET tries = tries - 1, cause = $2, due_at = now() + make_interval(secs => $3)
WHERE notice_id = $1 AND state = 'waiting'
"""
_SENT: Final = """
INSERT INTO sent_occasion (occasion_id, channel, student_id, sent_at) SELECT unnest($1::uuid[]), $2, $3, $4
ON CONFLICT (occasion_id, channel) DO NOTHING
"""
_LISTED: Final = """
SELECT notice_id, channel, state, tries, made_at, due_at, ended_at, cause, cardinality(occasions) AS occasions
FROM notice WHERE state = $1 ORDER BY made_at DESC LIMIT $2
"""
_REVIVE: Final = """
UPDATE notice SET state = 'waiting', tries = 0, due_at = now(), made_at = now(), ended_at = NULL, cause = NULL
WHERE state = 'dead' AND ($1::uuid[] IS NULL OR notice_id = ANY($1)) RETURNING notice_id, student_id, channel
"""
_DISCARD: Final = """
UPDATE notice SET state = 'dropped', ended_at = now(), cause = $2
WHERE state = 'dead' AND ($1::uuid[] IS NULL OR notice_id = ANY($1)) RETURNING notice_id, student_id, channel
"""
_WAITING_AND_DEAD: Final = """
SELECT (SELECT min(made_at) FROM notice WHERE channel = $1 AND state = 'waiting') AS oldest,
       (SELECT count(*) FROM notice WHERE channel = $1 AND state = 'dead') AS dead
"""
