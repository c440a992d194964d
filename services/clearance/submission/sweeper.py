import asyncio
import time
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.clearance.notify import notify
from services.clearance.submission import attempt_store, exceptions
from services.clearance.submission.handlers import Submissions
from services.kit.messaging.outbox import Wakeup
from services.kit.runtime.failpoints import failpoint

SWEEP_EVERY_S: Final = 1.0


MAX_PER_SWEEP: Final = 100


LOOK_EVERY_S: Final = 5.0


class AttemptSweeper:
    """Ends attempts whose life is over, in every instance: the row's lock says who does it.

    It also looks at the newest submissions again, for an exception that their acceptance could not see yet.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", submissions: Submissions, bell: Wakeup) -> None:
        self._pool, self._submissions, self._bell = pool, submissions, bell
        self._looked_at = -LOOK_EVERY_S

    async def run(self) -> None:
        """Sweep until cancelled. Raises what the database raised: its keeper starts it again."""
        while True:
            with suppress_instrumentation():
                await self.sweep()
            await asyncio.sleep(SWEEP_EVERY_S)

    async def sweep(self) -> int:
        """End what is due; how many attempts were ended."""
        async with self._pool.acquire() as connection:
            due = await attempt_store.expired(connection, MAX_PER_SWEEP)
            ended = 0
            for attempt_id, student_id in due:
                async with connection.transaction():
                    if await self._submissions.expire(connection, attempt_id, student_id):
                        await notify(connection)
                        ended += 1
                failpoint("expire.after_commit")
            if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
                async with connection.transaction():
                    if await exceptions.update_recent(connection):
                        await notify(connection)
                self._looked_at = time.monotonic()
        if ended:
            self._bell.ring()
        return ended
