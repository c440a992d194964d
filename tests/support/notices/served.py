"""The notice service over HTTP for a gateway under test, without a broker and without sending."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from fastapi import FastAPI

from schemas.codec import read
from schemas.events import ReminderAsked
from services.gateway.settings import DeskAddress
from services.kit.http.app import create_app
from services.kit.names import CONTACTS, REMINDERS, STAFF_PAGES
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.runtime.health import Health
from services.kit.signing.session_proofs import check_proof
from services.notices.contacts.api import contacts_router
from services.notices.migration_folders import NOTICE_FOLDERS
from services.notices.reminders.api import reminders_router
from services.notices.settings import NoticeSettings
from services.notices.subscriptions import Reminding, remind
from services.notices.words import words_of
from tests.support.credentials import credentials
from tests.support.paths import ROOT
from tests.support.servers.live_server import live_server


@contextmanager
def served_notices(database: str) -> Iterator[DeskAddress]:
    """With mail as its channel."""
    token = secrets.token_hex(20)
    settings = settings_of(database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await migrate(database, NOTICE_FOLDERS)
        pool = await open_pool(database, name="notices")
        app.include_router(contacts_router(pool))
        app.include_router(reminders_router(pool, words_of(settings), settings))
        yield
        await pool.close()

    app = create_app(
        title="notices", version="1", description="", health=Health(), lifespan=lifespan, routers=[], telemetry=None
    )
    app.state.credentials = credentials(notices=(token, [CONTACTS, REMINDERS, STAFF_PAGES]))
    with live_server(lambda _: app) as address:
        yield DeskAddress(address=address, token=token)


def settings_of(database: str) -> NoticeSettings:
    return NoticeSettings(
        kafka="127.0.0.1:9",
        database=database,
        public_url="https://lixiao.example.edu",
        smtp_host="mail.example.edu",
        mail_from="notices@example.edu",
        university=ROOT / "config" / "universities" / "cumt",
    )


async def asked_reminders(gateway_database: str) -> list[ReminderAsked]:
    """Those in the gateway's outbox, each with the proof of its session."""
    connection = await asyncpg.connect(gateway_database)
    try:
        rows = await connection.fetch("SELECT value FROM outbox WHERE topic LIKE '%.command.v1' ORDER BY id")
    finally:
        await connection.close()
    events = [event for row in rows if isinstance(event := read(row["value"]), ReminderAsked)]
    for event in events:
        check_proof(event, required=True)
    return events


async def deliver(gateway_database: str, notices_database: str) -> None:
    """What the relay and the broker do: each command to its receiver, which may have had it before."""
    connection = await asyncpg.connect(notices_database)
    try:
        for event in await asked_reminders(gateway_database):
            async with connection.transaction():
                await remind(connection, event, Reminding.of(settings_of(notices_database)))
    finally:
        await connection.close()


async def send_all(notices_database: str) -> None:
    """As if the mail server had taken every reminder."""
    connection = await asyncpg.connect(notices_database)
    try:
        await connection.execute("UPDATE occasion SET collected_at = now()")
        await connection.execute("""
            INSERT INTO sent_occasion (occasion_id, channel, student_id, sent_at)
            SELECT occasion_id, 'mail', student_id, now() FROM occasion ON CONFLICT DO NOTHING
        """)
    finally:
        await connection.close()
