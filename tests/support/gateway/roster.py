"""The clearance's roster over HTTP for a gateway under test, over the database of its read model."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from zoneinfo import ZoneInfo

from fastapi import FastAPI

from schemas.topics import Topics
from services.clearance.approvals.actions import action_registry
from services.clearance.approvals.api import approvals_router
from services.clearance.approvals.decisions import Decisions
from services.clearance.exemptions.actions import ExemptionActions
from services.clearance.exemptions.api import exemptions_router
from services.clearance.roster.api import roster_import, roster_router
from services.clearance.roster.roster import Roster
from services.gateway.settings import DeskAddress
from services.kit.clearance_policy import ClearancePolicy, load_policy
from services.kit.http.app import create_app
from services.kit.imports.api import imports_router
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import discover, required_checks
from services.kit.messaging.outbox import Wakeup
from services.kit.names import APPROVER, ROSTER, STAFF_PAGES
from services.kit.postgres.pool import open_pool
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.credentials import credentials
from tests.support.paths import ROOT
from tests.support.servers.live_server import live_server

_ZONE = ZoneInfo("Asia/Shanghai")


@contextmanager
def served_roster(database: str) -> Iterator[DeskAddress]:
    """With the credentials that the gateway has at the clearance."""
    token = secrets.token_hex(20)
    app = _app(database, token)
    with live_server(lambda address: app) as address:
        yield DeskAddress(address=address, token=token)


def _app(database: str, token: str) -> FastAPI:
    required = required_checks(discover())
    policy = load_policy(ROOT / "config" / "universities" / "cumt", required)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = await open_pool(database, name="roster")
        uploaded, wakeup = Wakeup(), Wakeup()
        roster = Roster(topic=Topics("test").case, served=policy.served, zone=_ZONE)
        imports = roster_import(roster, after_commit=wakeup.notify)
        app.include_router(roster_router(roster, pool, wakeup))
        app.include_router(imports_router(imports, pool, uploaded))
        app.include_router(approvals_router(_decisions(policy), pool, wakeup))
        app.include_router(exemptions_router(pool))
        try:
            async with background("imports", ImportWorker(imports, pool, uploaded).run, Health()):
                yield
        finally:
            await pool.close()

    app = create_app(
        title="clearance", version="1", description="", health=Health(), lifespan=lifespan, routers=[], telemetry=None
    )
    app.state.credentials = credentials(**{STAFF_PAGES: (token, [ROSTER, APPROVER, STAFF_PAGES])})
    return app


def _decisions(policy: ClearancePolicy) -> Decisions:
    actions = ExemptionActions(required_checks(discover()), _ZONE).actions()
    return Decisions(action_registry(actions, policy.approvals.one_person), policy.approvals)
