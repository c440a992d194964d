"""Holds that outlive their attempt: the clearance is asked, and they end by themselves.

The clearance accepts nothing after an attempt's `expires_at`, by its own clock. So a hold that is older by more than
the clocks may differ protects nothing, whatever became of the attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from schemas.events import AttestationGiven
from schemas.topics import Topics
from services.kit.audit import log
from services.kit.department.desk import Desk
from services.kit.messaging import outbox
from services.kit.postgres.pool import Connection

ASK_EVERY_S: Final = 30.0
MAX_AT_ONCE: Final = 100
_OVERDUE: Final = """
UPDATE hold SET asked_at = clock_timestamp() WHERE attempt_id IN (
    SELECT attempt_id FROM hold
    WHERE expires_at < clock_timestamp()
      AND coalesce(asked_at, '-infinity') < clock_timestamp() - make_interval(secs => $1)
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING (SELECT answer FROM attestation WHERE attestation.attempt_id = hold.attempt_id) AS answer
"""
_LAPSED: Final = """
SELECT attempt_id, student_id FROM hold WHERE expires_at < clock_timestamp() - make_interval(secs => $1)
ORDER BY expires_at LIMIT $2
"""
_END: Final = """
DELETE FROM hold WHERE attempt_id = $1 AND student_id = $2
  AND expires_at < clock_timestamp() - make_interval(secs => $3)
RETURNING version
"""
_LIST: Final = """
SELECT attempt_id, placed_at, expires_at, expires_at < clock_timestamp() AS overdue FROM hold
ORDER BY expires_at, attempt_id LIMIT $1
"""


class Hold(BaseModel):
    """Without the student. `overdue`: its attempt's life is over, and its end has not arrived."""

    model_config = ConfigDict(frozen=True)

    attempt_id: UUID
    placed_at: datetime
    expires_at: datetime = Field(description="The clearance accepts nothing afterwards.")
    overdue: bool


class HoldRefused(Exception):
    """The attempt may still be accepted."""


@dataclass(frozen=True, slots=True)
class HoldAges:
    """In seconds, by the database's clock; None while there is none."""

    oldest_s: float | None
    overdue_s: float | None


class Holds:
    """`grace_s`: what the clocks of clearance and department may differ by, and a decision take to commit."""

    def __init__(self, desk: Desk[Any], topics: Topics, *, grace_s: float) -> None:
        self._desk, self._topic, self._grace_s = desk, topics.attestation(desk.rules.name), grace_s

    async def ask(self) -> int:
        """Send the answers of overdue holds again: the clearance repeats how their attempts ended."""
        now = datetime.now(UTC)
        async with self._desk.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_OVERDUE, ASK_EVERY_S, MAX_AT_ONCE)
            for row in rows:
                answer = AttestationGiven.model_validate_json(row["answer"])
                await outbox.append(
                    connection,
                    topic=self._topic,
                    key=answer.student_id,
                    event=answer,
                    source=self._desk.source,
                    now=now,
                )
        if rows:
            self._desk.wakeup.notify()
        return len(rows)

    async def end_lapsed(self) -> list[UUID]:
        """End those whose attempt is over for certain, each in a transaction of its own."""
        async with self._desk.pool.acquire() as connection:
            rows = await connection.fetch(_LAPSED, self._grace_s, MAX_AT_ONCE)
            return [
                row["attempt_id"]
                for row in rows
                if await self._end(
                    connection, row["attempt_id"], row["student_id"], self._grace_s, by=self._desk.source, details={}
                )
            ]

    async def release(self, attempt_id: UUID, *, by: str, reason: str) -> bool:
        """False if there is no such hold. Raises `HoldRefused` while the attempt may still be accepted."""
        async with self._desk.pool.acquire() as connection:
            student_id = await connection.fetchval("SELECT student_id FROM hold WHERE attempt_id = $1", attempt_id)
            if student_id is None:
                return False
            if not await self._end(connection, attempt_id, student_id, 0.0, by=by, details={"reason": reason}):
                raise HoldRefused
            return True

    async def list_holds(self, limit: int = 1000) -> Sequence[Hold]:
        """Those that end first."""
        async with self._desk.pool.acquire() as connection:
            return [Hold(**row) for row in await connection.fetch(_LIST, limit)]

    async def _end(
        self,
        connection: Connection,
        attempt_id: UUID,
        student_id: str,
        after_s: float,
        *,
        by: str,
        details: dict[str, Any],
    ) -> bool:
        async with connection.transaction():
            await self._desk.lock(connection, student_id)
            version = await connection.fetchval(_END, attempt_id, student_id, after_s)
            if version is None:
                return False
            # Asked again, the department says that the attempt is over here: the stored answer held something.
            await connection.execute(
                "UPDATE attestation SET lapsed_at = clock_timestamp() WHERE attempt_id = $1", attempt_id
            )
            await log.append_entry(
                connection,
                actor=by,
                act="attempt.release",
                outcome="lapsed",
                student_id=student_id,
                details={"attempt": attempt_id, "version": version, **details},
            )
            return True


async def hold_ages(connection: Connection) -> HoldAges:
    row = await connection.fetchrow(
        """
        SELECT extract(epoch FROM clock_timestamp() - min(placed_at))::float8 AS oldest,
               extract(epoch FROM clock_timestamp() - min(expires_at))::float8 AS overdue
        FROM hold
        """
    )
    assert row is not None
    return HoldAges(row["oldest"], row["overdue"])
