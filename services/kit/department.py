"""A department as a running service: its desk over HTTP, its outbox to Kafka, and what it hears from the clearance."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from fastapi import FastAPI

from schemas.events import CaseChanged
from services.kit import auth, telemetry
from services.kit.consumer import Inbox
from services.kit.database import Connection, answers, migrate, open_pool
from services.kit.departments import Department, discover
from services.kit.desk import Desk
from services.kit.desk_api import desk_router
from services.kit.handlers import Handler, each
from services.kit.health import Health
from services.kit.operations import DepartmentRules
from services.kit.outbox import Bell
from services.kit.relay import AliveMarks, Relay
from services.kit.service import background
from services.kit.settings import Settings, load
from services.kit.vitals import watch_inbox, watch_relay
from services.kit.web import create_app, serve

MIGRATIONS: Final = Path(__file__).parent / "migrations"
FOLDERS: Final = tuple(MIGRATIONS / name for name in ("outbox", "inbox", "desk"))


def run_department(rules: DepartmentRules[Any]) -> None:
    """Run the department until it is told to stop. Everything it needs to know comes from the environment."""
    settings = load(Settings)
    serve(department_app(rules, settings), settings)


def department_app(rules: DepartmentRules[Any], settings: Settings) -> FastAPI:
    """The application of one department; its lifespan opens the database and starts the relay and the inbox."""
    department = discover(settings.services_folder)[rules.name]
    health = Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await migrate(settings.database, FOLDERS)
        pool = await open_pool(settings.database, name=rules.name)
        bell = Bell()
        desk = Desk(rules, pool, settings.topics, bell)
        app.include_router(desk_router(desk, department))
        health.add("database", answers(pool))
        async with AsyncExitStack() as running:
            running.push_async_callback(pool.close)
            await _start(running, desk, settings, health, pool)
            yield

    app = create_app(
        title=f"Lixiao: {department.title.en}",
        version="1",
        description=_describe(department),
        health=health,
        lifespan=lifespan,
        routers=(),
        telemetry=telemetry.start(f"lixiao-{rules.name}", settings=settings),
        docs=settings.docs,
        metrics=settings.metrics,
    )
    app.state.credentials = auth.Credentials.load(settings.credentials)
    return app


async def _start(
    running: AsyncExitStack, desk: Desk[Any], settings: Settings, health: Health, pool: "asyncpg.Pool[Any]"
) -> None:
    name, topics = desk.rules.name, settings.topics
    relay = Relay(
        settings.database,
        kafka=settings.kafka,
        name=name,
        bell=desk.bell,
        alive=AliveMarks(name, topics.status(name), settings.alive_every_s),
    )
    inbox = Inbox(
        pool=pool,
        kafka=settings.kafka,
        group=topics.group(name),
        topics=[topics.case],
        apply=each(listens(desk)),
        committed=desk.bell.ring,
    )
    watch_relay(health, relay, name)
    watch_inbox(health, inbox, name)
    await running.enter_async_context(background("relay", relay.run, health))
    await running.enter_async_context(background("inbox", inbox.run, health))


def listens(desk: Desk[Any]) -> dict[type[Any], Handler]:
    """What a department hears, and what it does about it."""

    async def case_changed(connection: Connection, case: CaseChanged) -> None:
        await desk.open(connection, case, now=datetime.now(UTC))

    return {CaseChanged: case_changed}


def _describe(department: Department) -> str:
    return (
        f"{department.title.zh} · The desk of the department. Every change is one transaction with the event that "
        "tells of it. Send `Authorization: Bearer <token>` and, with operations, an `Idempotency-Key` of your own."
    )
