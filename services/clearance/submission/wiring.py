"""The confirmation rounds as running tasks: what hears commands and attestations, and what ends attempts too old."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

from schemas.topics import Topics
from services.clearance.notify import notify
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster.case_store import Roster
from services.clearance.settings import ClearanceSettings
from services.clearance.submission import attempt_store, certificate_issue, exceptions
from services.clearance.submission.handlers import Submissions
from services.kit.manifests import discover, required_checks
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letter_replay import ReplayHandler
from services.kit.messaging.dead_letters import ApplyBatch, DeadLetter
from services.kit.messaging.handlers import dispatch
from services.kit.messaging.offsets import Records
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.probes import add_consumer_probe
from services.kit.postgres.pool import Connection
from services.kit.runtime.background import background
from services.kit.runtime.failpoints import Passed
from services.kit.runtime.health import Health

NAME: Final = "clearance.submissions"
SWEEP_EVERY_S: Final = 1.0
SWEEP_AT_MOST: Final = 100
LOOK_EVERY_S: Final = 5.0


def submission_batch_handler(submissions: Submissions, topics: Topics, departments: Mapping[str, Any]) -> ApplyBatch:
    """The `apply` of the inbox: an attestation counts only on its department's own topic."""
    handlers = {**submissions.handlers(), **certificate_issue.handlers()}
    inner = dispatch(handlers, speakers={topics.attestation(name): name for name in departments})

    async def apply(connection: Connection, records: Records, parked: list[DeadLetter]) -> None:
        await inner(connection, records, parked)
        # Once a batch: the page shows who has answered.
        await notify(connection)

    return apply


class AttemptSweeper:
    """Ends attempts whose life is over, in every instance: the row's lock says who does it.

    It also looks at the newest submissions again, for an exception that their acceptance could not see yet.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", submissions: Submissions, passed: Passed, bell: Wakeup) -> None:
        self._pool, self._submissions, self._passed, self._bell = pool, submissions, passed, bell
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
            due = await attempt_store.due(connection, SWEEP_AT_MOST)
            ended = 0
            for attempt_id, student_id in due:
                async with connection.transaction():
                    if await self._submissions.expire(connection, attempt_id, student_id):
                        await notify(connection)
                        ended += 1
                self._passed.committed()
            if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
                async with connection.transaction():
                    if await exceptions.fold_recent(connection):
                        await notify(connection)
                self._looked_at = time.monotonic()
        if ended:
            self._bell.ring()
        return ended


def submissions_of(settings: ClearanceSettings, roster: Roster, passed: Passed) -> Submissions:
    """The decision as this installation is set: every department that is there has to attest all its checks."""
    return Submissions(
        topics=settings.topics,
        required=required_checks(discover(settings.services_folder)),
        roster=roster,
        keyring=Keyring(settings.keys),
        zone=settings.zone,
        passed=passed,
        life_s=settings.attempt_life_s,
    )


def reader_of(settings: ClearanceSettings, roster: Roster) -> tuple[str, ReplayHandler]:
    """The inbox's group, and how its dead letters are read again."""
    topics, departments = settings.topics, discover(settings.services_folder)
    return topics.group(NAME), ReplayHandler(
        submission_batch_handler(submissions_of(settings, roster, Passed()), topics, departments)
    )


@asynccontextmanager
async def rounds(
    pool: "asyncpg.Pool[Any]", settings: ClearanceSettings, roster: Roster, bell: Wakeup, health: Health
) -> AsyncIterator[None]:
    """Run the clearance's side of the confirmation rounds while the block lasts. Makes a first signing key."""
    async with pool.acquire() as connection, connection.transaction():
        await Keyring(settings.keys).ensure(connection)
    topics, departments, passed, swept = settings.topics, discover(settings.services_folder), Passed(), Passed()

    def after_commit() -> None:
        passed.committed()
        bell.ring()

    inbox = TransactionalConsumer(
        pool=pool,
        kafka=settings.kafka,
        group=topics.group(NAME),
        topics=[topics.command, *(topics.attestation(name) for name in departments)],
        apply=submission_batch_handler(submissions_of(settings, roster, passed), topics, departments),
        lanes=2,
        session_timeout_s=settings.session_timeout_s,
        committed=after_commit,
    )
    sweeper = AttemptSweeper(pool, submissions_of(settings, roster, swept), swept, bell)
    add_consumer_probe(health, inbox, NAME, prefix="submissions ")
    async with (
        background("submissions inbox", inbox.run, health),
        background("attempt sweeper", sweeper.run, health),
    ):
        yield
