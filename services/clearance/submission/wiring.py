"""The confirmation rounds as running tasks: what hears commands and attestations, and what ends attempts too old."""

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
from services.kit.messaging.dead_letter_replay import ReplayHandler
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.service_loops import ServiceLoops


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
    """The consumer group, and how its dead letters are replayed."""
    departments = discover(settings.services_folder)
    router = submissions_router(submissions_of(settings, roster), settings.topics, departments)
    return router.group, ReplayHandler(router.subscription.apply)


async def add_submission_loops(
    loops: ServiceLoops, pool: "asyncpg.Pool[Any]", settings: ClearanceSettings, roster: Roster, wakeup: Wakeup
) -> None:
    """Add the clearance's side of the confirmation round. Makes a first signing key."""
    async with pool.acquire() as connection, connection.transaction():
        await Keyring(settings.keys).ensure(connection)
    submissions, departments = submissions_of(settings, roster), discover(settings.services_folder)
    router = submissions_router(submissions, settings.topics, departments, session_timeout_s=settings.session_timeout_s)
    loops.consume(router, name=NAME, after_commit=wakeup.notify, prefix="submissions ")
    loops.add("attempt sweeper", AttemptSweeper(pool, submissions, wakeup).run)
    loops.add("exceptions", partial(exceptions.recheck, pool))
