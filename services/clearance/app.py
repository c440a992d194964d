"""The clearance as a running service: roster, projector, relay, and what operators do."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg
from fastapi import FastAPI

from schemas.flows import CLEARANCE
from services.clearance.dead_letter_api import dead_letter_router
from services.clearance.roster.api import roster_import, roster_router
from services.clearance.roster.case_store import Roster
from services.clearance.settings import ClearanceSettings
from services.clearance.submission.wiring import add_submission_loops, reader_of
from services.clearance.view import freshness
from services.clearance.view.projector import Projector
from services.clearance.view.unreadable_marks import clear_unreadable_mark
from services.kit.http import auth
from services.kit.http.app import create_app
from services.kit.imports.api import imports_router
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import discover
from services.kit.messaging.dead_letter_limit import DeadLetterLimit
from services.kit.messaging.dead_letter_replay import ReplayHandler
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.service_loops import ServiceLoops
from services.kit.observability import telemetry
from services.kit.observability.telemetry import Telemetry
from services.kit.postgres.migrations import KIT_MIGRATIONS, migrate
from services.kit.postgres.pool import open_pool
from services.kit.runtime.health import Health

DESCRIPTION = (
    "The roster opens cases; what every department says of each student becomes one view, which the gateway reads."
)


def clearance_app(settings: ClearanceSettings, *, traced: Telemetry | None = None) -> FastAPI:
    """The application; its lifespan migrates the database and starts the projector, the relay and the imports."""
    health = Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await migrate(settings.database, FOLDERS)
        async with AsyncExitStack() as running:
            pool = await open_pool(settings.database, name=CLEARANCE, max_size=10 + settings.projector_workers)
            running.push_async_callback(pool.close)
            loops = await _loops(app, settings, health, pool)
            await running.enter_async_context(loops.running())
            yield

    app = create_app(
        title="Lixiao: clearance",
        version="1",
        description=DESCRIPTION,
        health=health,
        lifespan=lifespan,
        routers=(),
        telemetry=traced or telemetry.start("lixiao-clearance", settings=settings),
        docs=settings.docs,
        metrics=settings.metrics,
    )
    app.state.credentials = auth.Credentials.load(settings.credentials)
    return app


def projector_of(settings: ClearanceSettings, pool: "asyncpg.Pool[Any]") -> Projector:
    """The projector over every department found."""
    return Projector(
        pool=pool,
        kafka=settings.kafka,
        topics=settings.topics,
        departments=list(discover(settings.services_folder)),
        workers=settings.projector_workers,
        max_records=settings.projector_batch,
        session_timeout_s=settings.session_timeout_s,
        limit=DeadLetterLimit.of(settings),
    )


def roster_of(settings: ClearanceSettings) -> Roster:
    """The roster with this installation's rules."""
    return Roster(topic=settings.topics.case, served=settings.served_leave_categories, zone=settings.zone)


def replay_handlers(settings: ClearanceSettings, projector: Projector) -> dict[str, ReplayHandler]:
    """How each consumer's dead letters are read again."""
    ended = clear_unreadable_mark(projector.group, projector.topics)
    submissions, reader = reader_of(settings, roster_of(settings))
    return {projector.group: ReplayHandler(projector.apply, ended, projector.committed), submissions: reader}


async def _loops(app: FastAPI, settings: ClearanceSettings, health: Health, pool: "asyncpg.Pool[Any]") -> ServiceLoops:
    """Make the service's parts, include their routes, and return its loops."""
    wakeup, uploaded = Wakeup(), Wakeup()
    roster, projector = roster_of(settings), projector_of(settings, pool)
    rows = roster_import(roster, after_commit=wakeup.notify)
    for router in (
        roster_router(roster, pool, wakeup),
        imports_router(rows, pool, uploaded),
        dead_letter_router(pool, replay_handlers(settings, projector)),
    ):
        app.include_router(router)
    loops = ServiceLoops(CLEARANCE, settings, pool, health, wakeup=wakeup)
    loops.add_consumer(projector.consumer)
    loops.add("imports", ImportWorker(rows, pool, uploaded).run)
    loops.add("freshness", partial(freshness.watch, pool))
    await add_submission_loops(loops, pool, settings, roster, wakeup)
    return loops


_SHARED: Final = ("outbox", "inbox", "audit", "imports")


FOLDERS: Final = (*(KIT_MIGRATIONS / name for name in _SHARED), Path(__file__).parent / "migrations")
