"""The notice service's contacts over HTTP for a gateway under test."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from fastapi import FastAPI

from services.gateway.settings import DeskAddress
from services.kit.http.app import create_app
from services.kit.names import CONTACTS, STAFF_PAGES
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.runtime.health import Health
from services.notices.contacts.api import contacts_router
from services.notices.migration_folders import NOTICE_FOLDERS
from tests.support.credentials import credentials
from tests.support.servers.live_server import live_server


@contextmanager
def served_contacts(database: str) -> Iterator[DeskAddress]:
    token = secrets.token_hex(20)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await migrate(database, NOTICE_FOLDERS)
        pool = await open_pool(database, name="notices")
        app.include_router(contacts_router(pool))
        yield
        await pool.close()

    app = create_app(
        title="notices", version="1", description="", health=Health(), lifespan=lifespan, routers=[], telemetry=None
    )
    app.state.credentials = credentials(notices=(token, [CONTACTS, STAFF_PAGES]))
    with live_server(lambda _: app) as address:
        yield DeskAddress(address=address, token=token)
