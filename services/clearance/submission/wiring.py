"""The confirmation rounds as running tasks: what hears commands and attestations, and what ends attempts too old."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg

from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster.case_store import Roster
from services.clearance.settings import ClearanceSettings
from services.clearance.submission import exceptions
from services.clearance.submission.handlers import NAME, Submissions
from services.clearance.submission.subscriptions import submissions_router
from services.clearance.submission.sweeper import AttemptSweeper
from services.kit.manifests import discover, required_checks
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letter_limit import DeadLetterLimit
from services.kit.messaging.dead_letter_replay import ReplayHandler
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.probes import add_consumer_probe
from services.kit.runtime.background import background
from services.kit.runtime.health import Health


def submissions_of(settings: ClearanceSettings, roster: Roster) -> Submissions:
    """The decision as this installation is set: every department that is there has to attest all its checks."""
    return Submissions(
        topics=settings.topics,
        required=required_checks(discover(settings.services_folder)),
        roster=roster,
        keyring=Keyring(settings.keys),
        zone=settings.zone,
        life_s=settings.attempt_life_s,
    )


def reader_of(settings: ClearanceSettings, roster: Roster) -> tuple[str, ReplayHandler]:
    """The inbox's group, and how its dead letters are read again."""
    departments = discover(settings.services_folder)
    router = submissions_router(submissions_of(settings, roster), settings.topics, departments)
    return router.group, ReplayHandler(router.subscription.apply)


@asynccontextmanager
async def rounds(
    pool: "asyncpg.Pool[Any]", settings: ClearanceSettings, roster: Roster, bell: Wakeup, health: Health
) -> AsyncIterator[None]:
    """Run the clearance's side of the confirmation rounds while the block lasts. Makes a first signing key."""
    async with pool.acquire() as connection, connection.transaction():
        await Keyring(settings.keys).ensure(connection)
    submissions = submissions_of(settings, roster)

    consumer = TransactionalConsumer(
        submissions_router(
            submissions,
            settings.topics,
            discover(settings.services_folder),
            session_timeout_s=settings.session_timeout_s,
        ),
        name=NAME,
        pool=pool,
        kafka=settings.kafka,
        limit=DeadLetterLimit.of(settings),
        after_commit=bell.ring,
    )
    sweeper = AttemptSweeper(pool, submissions, bell)
    add_consumer_probe(health, consumer, prefix="submissions ")
    async with (
        background("submissions consumer", consumer.run, health),
        background("attempt sweeper", sweeper.run, health),
        background("exceptions", partial(exceptions.recheck, pool), health),
    ):
        yield
