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
from services.clearance.submission.handlers import NAME, Submissions, submission_batch_handler
from services.clearance.submission.sweeper import AttemptSweeper
from services.kit.manifests import discover, required_checks
from services.kit.messaging.consumer import TransactionalConsumer
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
    topics, departments = settings.topics, discover(settings.services_folder)
    return topics.group(NAME), ReplayHandler(
        submission_batch_handler(submissions_of(settings, roster), topics, departments)
    )


@asynccontextmanager
async def rounds(
    pool: "asyncpg.Pool[Any]", settings: ClearanceSettings, roster: Roster, bell: Wakeup, health: Health
) -> AsyncIterator[None]:
    """Run the clearance's side of the confirmation rounds while the block lasts. Makes a first signing key."""
    async with pool.acquire() as connection, connection.transaction():
        await Keyring(settings.keys).ensure(connection)
    topics, departments = settings.topics, discover(settings.services_folder)
    submissions = submissions_of(settings, roster)

    inbox = TransactionalConsumer(
        pool=pool,
        kafka=settings.kafka,
        group=topics.group(NAME),
        topics=[topics.command, *(topics.attestation(name) for name in departments)],
        apply=submission_batch_handler(submissions, topics, departments),
        lanes=2,
        session_timeout_s=settings.session_timeout_s,
        committed=bell.ring,
    )
    sweeper = AttemptSweeper(pool, submissions, bell)
    add_consumer_probe(health, inbox, NAME, prefix="submissions ")
    async with (
        background("submissions inbox", inbox.run, health),
        background("attempt sweeper", sweeper.run, health),
        background("exceptions", partial(exceptions.recheck, pool), health),
    ):
        yield
