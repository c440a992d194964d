"""Composition root of the clearance."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final, NamedTuple

import asyncpg
from fastapi import APIRouter, FastAPI

from schemas.flows import CLEARANCE
from services.clearance.approvals.api import approvals_router
from services.clearance.exemptions.api import exemptions_router
from services.clearance.forgetting.calendar import CalendarForgetting
from services.clearance.forgetting.forget import Forgetting
from services.clearance.forgetting.tables import TABLES
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.clearance.parts import (
    actions_of,
    decisions_of,
    outcomes_router_of,
    policy_of,
    projector_of,
    replay_handlers,
    roster_of,
    submissions_of,
    submissions_router_of,
)
from services.clearance.receipts.api import form_key_router
from services.clearance.receipts.configured import keyring_of
from services.clearance.receipts.signing_keys import key_missing
from services.clearance.roster.api import roster_import, roster_router
from services.clearance.roster.case_log import CaseLog
from services.clearance.roster.cases import RosterRow
from services.clearance.roster.former_number_api import former_number_router
from services.clearance.roster.roster import Roster
from services.clearance.settings import ClearanceSettings
from services.clearance.submission.after_acceptance import exceptions
from services.clearance.submission.republication import CasePublisher
from services.clearance.submission.round.sweeper import AttemptSweeper
from services.clearance.submission.subscriptions import OUTCOMES, SUBMISSIONS
from services.clearance.view.freshness import SourceWatch
from services.clearance.view.projector import Projector
from services.clearance.view.reconciliation.api import reconciliation_router
from services.clearance.view.reconciliation.watch import ReconciliationWatch
from services.clearance.view.season import measure_season
from services.kit.http.access import auth
from services.kit.http.app import create_app
from services.kit.http.openapi import Interface
from services.kit.http.operators.routes import operator_routers
from services.kit.imports.api import imports_router
from services.kit.imports.spec import ImportSpec
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import discover
from services.kit.messaging.audit_heads.api import chain_router
from services.kit.messaging.dead_letters.api import dead_letter_router
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.service_loops import ServiceLoops
from services.kit.names import ROSTER
from services.kit.observability import telemetry
from services.kit.observability.telemetry import Telemetry
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.republishing.api import republications_router
from services.kit.republishing.worker import Republisher
from services.kit.runtime.health import Health
from services.kit.student_numbers import use_number_form

_ABOUT: Final[dict[str, Any]] = {
    "title": "Lixiao: clearance",
    "version": "1",
    "description": (
        "The roster opens cases; the statuses of all departments become one view, which the gateway reads; "
        "submissions are confirmed with every department."
    ),
    "interface": Interface(
        CLEARANCE,
        {
            "roster": "Students' cases, as the graduate school has them, and their former numbers.",
            "approvals": "What two persons decide, and the exemptions that they made.",
            "reconciliation": "Whether the view shows what the departments have.",
        },
    ),
}


def clearance_app(settings: ClearanceSettings, *, traced: Telemetry | None = None) -> FastAPI:
    use_number_form(settings.number_form)
    health = Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await migrate(settings.owner_database, CLEARANCE_FOLDERS)
        async with AsyncExitStack() as running:
            pool = await open_pool(settings.database, name=CLEARANCE, max_size=10 + settings.projector_workers)
            running.push_async_callback(pool.close)
            app.state.credentials.pool = pool
            loops = await _loops(app, settings, health, pool)
            await running.enter_async_context(loops.running())
            yield

    app = create_app(
        **_ABOUT,
        health=health,
        lifespan=lifespan,
        routers=(),
        telemetry=traced or telemetry.start("lixiao-clearance", settings=settings),
        docs=settings.docs,
        metrics=settings.metrics,
        allowed_hosts=settings.allowed_hosts,
    )
    app.state.credentials = auth.Credentials.of(settings)
    return app


def interface_of_clearance(settings: ClearanceSettings, pool: "asyncpg.Pool[Any]") -> FastAPI:
    """The routes alone, without loops: for the OpenAPI document, and for the answers recorded in it."""
    routers = _routers(_parts(settings, pool), settings)
    return create_app(**_ABOUT, health=Health(), lifespan=None, routers=routers, telemetry=None)


class _Parts(NamedTuple):
    """What routes and loops share."""

    pool: "asyncpg.Pool[Any]"
    roster: Roster
    projector: Projector
    rows: ImportSpec[RosterRow]
    wakeup: Wakeup
    uploaded: Wakeup


def _parts(settings: ClearanceSettings, pool: "asyncpg.Pool[Any]") -> _Parts:
    wakeup, roster = Wakeup(), roster_of(settings)
    rows = roster_import(roster, after_commit=wakeup.notify, own_sources=settings.sources_of(ROSTER))
    return _Parts(pool, roster, projector_of(settings, pool), rows, wakeup, Wakeup())


def _routers(parts: _Parts, settings: ClearanceSettings) -> tuple[APIRouter, ...]:
    pool, roster, projector, rows, wakeup, uploaded = parts
    decisions = decisions_of(policy_of(settings), actions_of(settings))
    return (
        roster_router(roster, pool, wakeup),
        former_number_router(roster, pool, wakeup),
        imports_router(rows, pool, uploaded),
        approvals_router(decisions, pool, wakeup),
        exemptions_router(pool),
        dead_letter_router(pool, replay_handlers(settings, projector)),
        reconciliation_router(pool),
        republications_router(pool),
        form_key_router(pool, keyring_of(settings)),
        *operator_routers(pool, settings),
        chain_router(pool, settings, CLEARANCE),
    )


async def _loops(app: FastAPI, settings: ClearanceSettings, health: Health, pool: "asyncpg.Pool[Any]") -> ServiceLoops:
    async with pool.acquire() as connection, connection.transaction():
        await keyring_of(settings).ensure(connection)
    parts = _parts(settings, pool)
    _, roster, projector, rows, wakeup, uploaded = parts
    for router in _routers(parts, settings):
        app.include_router(router)
    published = CaseLog(pool, settings.topics.case)
    loops = ServiceLoops(CLEARANCE, settings, pool, health, wakeup=wakeup, tables=TABLES, published=published)
    loops.add_consumer(projector.consumer, prefix="projector ")
    _add_round(loops, settings, pool, wakeup)
    loops.add("imports", ImportWorker(rows, pool, uploaded).run)
    _add_watches(loops, settings, health, pool, roster, wakeup)
    loops.add("exceptions", partial(exceptions.recheck, pool))
    if settings.forget_after_days is not None:
        calendar = CalendarForgetting(pool, Forgetting(settings.topics), wakeup, after_days=settings.forget_after_days)
        loops.add("calendar forgetting", calendar.run)
    return loops


def _add_round(loops: ServiceLoops, settings: ClearanceSettings, pool: "asyncpg.Pool[Any]", wakeup: Wakeup) -> None:
    submissions = submissions_of(settings)
    router = submissions_router_of(settings, submissions)
    outcomes = loops.consume(outcomes_router_of(settings), name=OUTCOMES, prefix="outcomes ")
    # Commands and attestations of an attempt that was accepted come after its acceptance, also after a restore.
    loops.consume(router, name=SUBMISSIONS, prefix="submissions ", after=outcomes)
    loops.add("attempt sweeper", AttemptSweeper(pool, submissions, wakeup, outcomes.is_caught_up).run)


def _add_watches(
    loops: ServiceLoops,
    settings: ClearanceSettings,
    health: Health,
    pool: "asyncpg.Pool[Any]",
    roster: Roster,
    wakeup: Wakeup,
) -> None:
    """Loops that also tell readiness what they find."""
    republisher = Republisher(pool, CasePublisher(roster, settings.topics), wakeup)
    loops.add("republication", republisher.run)
    health.add_warning("republication", republisher.warning)
    sources = SourceWatch(pool)
    health.add("sources", sources.probe)
    health.add_warning("older versions", sources.warning)
    loops.add("freshness", sources.run)
    loops.add("season", partial(measure_season, pool, tuple(discover(settings.services_folder))))
    reconciliation = ReconciliationWatch(pool, settings.topics, roster, wakeup)
    health.add_warning("reconciliation", reconciliation.warning)
    loops.add("reconciliation", reconciliation.run)
    health.add_warning("signing key", partial(key_missing, keyring_of(settings), pool))
