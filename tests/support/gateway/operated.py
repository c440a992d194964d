"""Operator ports of the library and the clearance, for a gateway under test, over databases of its own."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import FastAPI

from schemas.flows import CLEARANCE
from schemas.topics import Topics
from services.clearance.receipts.api import form_key_router
from services.clearance.receipts.private_keys.files import FileKeys
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.view.reconciliation.api import reconciliation_router
from services.gateway.settings import DeskAddress
from services.kit.department.api.status_routes import status_router
from services.kit.department.subscriptions import department_router
from services.kit.http.app import create_app
from services.kit.http.operators.routes import operator_routers
from services.kit.messaging.audit_heads.api import chain_router
from services.kit.messaging.dead_letters.actions import ReplayHandler
from services.kit.messaging.dead_letters.api import dead_letter_router
from services.kit.names import OPERATOR, STAFF_PAGES
from services.kit.observability import telemetry
from services.kit.postgres.pool import open_pool
from services.kit.runtime.health import Health
from services.kit.settings import Settings
from services.kit.signing.keys import create_key
from tests.support.credentials import credentials
from tests.support.departments.desks import desk_over
from tests.support.gateway.server import NO_BROKER
from tests.support.servers.live_server import live_servers


@contextmanager
def operated(library: str, clearance: str) -> Iterator[dict[str, DeskAddress]]:
    """`library`, `clearance`: migrated databases. The library has a warning; the finance office is away.

    Both sign records; the clearance does not know the library's key.
    """
    tokens = {name: secrets.token_hex(20) for name in ("library", CLEARANCE)}
    with (
        TemporaryDirectory() as folder,
        live_servers(lambda _: _library(library, tokens["library"], Path(folder)), operator_port=0) as (_, at_library),
        live_servers(lambda _: _clearance(clearance, tokens[CLEARANCE], Path(folder)), operator_port=0) as (
            _,
            at_clearance,
        ),
    ):
        yield {
            "library": DeskAddress(address=at_library, token=tokens["library"]),
            CLEARANCE: DeskAddress(address=at_clearance, token=tokens[CLEARANCE]),
            "finance": DeskAddress(address="http://127.0.0.1:9", token=secrets.token_hex(20)),
        }


def _settings(service: str, database: str, folder: Path, believed: str) -> Settings:
    """With a key of its own; `believed`: the folder of public keys that it looks at."""
    key, trusted = folder / f"{service}.pem", folder / believed
    create_key(key, trusted, service)
    return Settings(kafka=NO_BROKER, database=database, signing_key=key, trusted_keys=trusted)


def _library(database: str, token: str, folder: Path) -> FastAPI:
    health, settings = Health(), _settings("library", database, folder, "of-library")

    async def asked_again() -> str:
        return "everything is published again"

    health.add_warning("republication", asked_again)

    @asynccontextmanager
    async def routes(app: FastAPI) -> AsyncIterator[None]:
        async with desk_over(database, "library") as desk:
            router = department_router(desk, Topics("test"))
            app.include_router(status_router(desk.pool))
            handlers = {router.group: ReplayHandler(router.subscription.apply)}
            app.include_router(dead_letter_router(desk.pool, handlers))
            for own in (*operator_routers(desk.pool, settings), chain_router(desk.pool, settings, "library")):
                app.include_router(own)
            yield

    return _app(token, health, routes)


def _clearance(database: str, token: str, folder: Path) -> FastAPI:
    settings, keyring = _settings(CLEARANCE, database, folder, "of-clearance"), Keyring(FileKeys(folder / "forms"))

    @asynccontextmanager
    async def routes(app: FastAPI) -> AsyncIterator[None]:
        async with await open_pool(database, name="operated") as pool:
            async with pool.acquire() as connection, connection.transaction():
                await keyring.ensure(connection)
            for router in (
                reconciliation_router(pool),
                dead_letter_router(pool, {}),
                form_key_router(pool, keyring),
                *operator_routers(pool, settings),
                chain_router(pool, settings, CLEARANCE),
            ):
                app.include_router(router)
            yield

    return _app(token, Health(), routes)


def _app(token: str, health: Health, routes: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    app = create_app(
        title="operated",
        version="1",
        description="",
        health=health,
        lifespan=routes,
        routers=[],
        telemetry=telemetry.build("operated", exporters=[]),
    )
    app.state.credentials = credentials(**{OPERATOR: (token, [OPERATOR, STAFF_PAGES])})
    return app
