"""Commands without an answer: sent again under their id, and given up after a while.

Their event or its answer may be lost with a topic or a database. What a command does is done once for its id, and a
repeated one gets the same answer; so an outcome that arrives later replaces the giving up.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from schemas.topics import Topics
from services.gateway.read_model.types import UNANSWERED
from services.gateway.tables.commands import COLUMNS, SOURCE, command_of, event_of
from services.kit.messaging.outbox import Wakeup, append
from services.kit.names import COMMAND_CHANNEL

EVERY_S: Final = 2.0
MAX_AT_ONCE: Final = 100
MAX_DOUBLINGS: Final = 10
_GIVE_UP: Final = f"""
UPDATE command SET state = 'refused', ended_at = clock_timestamp(), cause = '{UNANSWERED}'
WHERE command_id IN (
    SELECT command_id FROM command WHERE state = 'asked' AND asked_at < clock_timestamp() - make_interval(secs => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
_DUE: Final = f"""
UPDATE command
SET sends = sends + 1, next_send_at = clock_timestamp() + make_interval(secs => $1 * 2 ^ least(sends, $3))
WHERE command_id IN (
    SELECT command_id FROM command
    WHERE state = 'asked' AND next_send_at <= clock_timestamp()
      AND asked_at < clock_timestamp() - make_interval(secs => $1)
    ORDER BY next_send_at LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING {COLUMNS}, session_proof
"""


class CommandResends:
    """`after_s`: until the first repetition, the next ones take twice as long each. `life_s`: until it is given up."""

    def __init__(
        self, pool: "asyncpg.Pool[Any]", topics: Topics, wakeup: Wakeup, *, after_s: float, life_s: float
    ) -> None:
        self._pool, self._topics, self._wakeup = pool, topics, wakeup
        self._after_s, self._life_s = after_s, life_s

    async def run(self) -> None:
        """Runs until cancelled. Database errors propagate."""
        with suppress_instrumentation():
            while True:
                await self.turn()
                await asyncio.sleep(EVERY_S)

    async def turn(self) -> None:
        now = datetime.now(UTC)
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.execute(_GIVE_UP, self._life_s, MAX_AT_ONCE) != "UPDATE 0":
                await connection.execute("SELECT pg_notify($1, '')", COMMAND_CHANNEL)
            rows = await connection.fetch(_DUE, self._after_s, MAX_AT_ONCE, MAX_DOUBLINGS)
            for row in rows:
                event = event_of(command_of(row), row["student_id"], row["session_proof"])
                await append(
                    connection,
                    topic=self._topics.command,
                    key=row["student_id"],
                    event=event,
                    source=SOURCE,
                    now=now,
                )
        if rows:
            self._wakeup.notify()
