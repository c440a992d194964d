"""Desks of departments over HTTP for a gateway under test, and who works at them."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import asyncpg
from fastapi import FastAPI

from deploy.local.identity.people import Person
from services.gateway.settings import DeskAddress
from services.kit.department.api.desk_routes import desk_router
from services.kit.department.api.evidence_routes import evidence_router
from services.kit.department.api.holder_routes import holder_router
from services.kit.department.api.note_routes import notes_router
from services.kit.department.api.staff_routes import staff_router
from services.kit.department.changes.evidence_acts import EvidenceActs
from services.kit.department.changes.imports import department_import
from services.kit.department.examples import Examples
from services.kit.http.app import create_app
from services.kit.imports.api import imports_router
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import discover
from services.kit.messaging.outbox import Wakeup
from services.kit.names import STAFF_PAGES, desk_role
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.credentials import credentials
from tests.support.departments.desks import desk_over
from tests.support.servers.live_server import live_server


def clerk(*departments: str, name: str = "方石") -> Person:
    """With the roles of these departments' desks."""
    return Person(sub=f"clerk-{'-'.join(departments)}", name=name, roles=tuple(map(desk_role, departments)))


@dataclass(frozen=True)
class ServedDesk:
    database: str
    desk: DeskAddress

    async def audited(self) -> list[tuple[str, str, str]]:
        """Actor, act and outcome of every entry."""
        connection = await asyncpg.connect(self.database)
        try:
            rows = await connection.fetch("SELECT actor, act, outcome FROM audit.entry ORDER BY entry_id")
        finally:
            await connection.close()
        return [(row["actor"], row["act"], row["outcome"]) for row in rows]


@contextmanager
def served_desks(databases: Mapping[str, str]) -> Iterator[dict[str, ServedDesk]]:
    """`databases`: by department."""
    with ExitStack() as stack:
        served = {}
        for department, database in databases.items():
            token = secrets.token_hex(20)
            app = _app(department, database, token)
            address = stack.enter_context(live_server(_giving(app)))
            served[department] = ServedDesk(database, DeskAddress(address=address, token=token))
        yield served


def addresses(served: Mapping[str, ServedDesk]) -> dict[str, DeskAddress]:
    return {name: one.desk for name, one in served.items()}


def _giving(app: FastAPI) -> Callable[[str], FastAPI]:
    return lambda address: app


def _app(department: str, database: str, token: str) -> FastAPI:
    manifest = discover()[department]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with desk_over(database, department) as desk:
            uploaded = Wakeup()
            imports = department_import(desk, manifest)
            app.include_router(imports_router(imports, desk.pool, uploaded))
            app.include_router(desk_router(desk, manifest))
            app.include_router(staff_router(desk, manifest))
            app.include_router(evidence_router(EvidenceActs(desk, Wakeup()), desk))
            app.include_router(notes_router(desk, manifest))
            app.include_router(holder_router(desk, manifest, Examples()))
            async with background("imports", ImportWorker(imports, desk.pool, uploaded).run, Health()):
                yield

    app = create_app(
        title=department, version="1", description="", health=Health(), lifespan=lifespan, routers=[], telemetry=None
    )
    app.state.credentials = credentials(**{STAFF_PAGES: (token, [desk_role(department), STAFF_PAGES])})
    return app
