"""A department as a running service: desk API, imports, outbox relay, and the consumer of the clearance's events."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import asyncpg
import typer
from fastapi import FastAPI

from services.kit.audit.chain import ChainSealer
from services.kit.cli import service_cli
from services.kit.department.attestation import oldest_hold_s
from services.kit.department.desk import Desk
from services.kit.department.desk_api import desk_router
from services.kit.department.examples import load_examples
from services.kit.department.idempotency import delete_old_answers
from services.kit.department.imports import department_import
from services.kit.department.rules import DepartmentRules
from services.kit.department.subscriptions import department_router
from services.kit.http import auth
from services.kit.http.app import create_app, serve
from services.kit.imports.api import imports_router
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import DepartmentManifest, discover
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letter_cli import Letters, letters_in
from services.kit.messaging.dead_letter_limit import DeadLetterLimit
from services.kit.messaging.dead_letter_replay import ReplayHandler
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.probes import add_consumer_probe, add_relay_probe
from services.kit.messaging.relay import AliveMarks, Relay
from services.kit.observability import metrics, telemetry
from services.kit.postgres.migrations import KIT_MIGRATIONS, migrate
from services.kit.postgres.pool import database_probe, open_pool
from services.kit.runtime.background import background
from services.kit.runtime.health import Health, Probe
from services.kit.settings import Settings, load

FOLDERS: Final = tuple(KIT_MIGRATIONS / name for name in ("outbox", "inbox", "audit", "desk", "imports"))

HOLD_OLD_AFTER_S: Final = 900.0
"""Longer than the lifetime of any attempt."""


def run_department(rules: DepartmentRules[Any]) -> None:
    """The command line of `python -m services.<department>`: serves, or runs an operator command."""
    department_commands(rules)()


def department_commands(rules: DepartmentRules[Any]) -> typer.Typer:
    """The commands; the settings come from the environment."""

    def run() -> None:
        settings = load(Settings)
        serve(department_app(rules, settings), settings)

    return service_cli(f"The {rules.name} service", serve=run, letters=partial(_letters, rules))


def _letters(rules: DepartmentRules[Any]) -> AbstractAsyncContextManager[Letters]:
    settings = load(Settings)
    topics = settings.topics

    def readers(pool: "asyncpg.Pool[Any]") -> dict[str, ReplayHandler]:
        # No wakeup: the relay of the running service polls the outbox.
        router = department_router(Desk(rules, pool, topics, Wakeup()), topics)
        return {router.group: ReplayHandler(router.subscription.apply)}

    return letters_in(settings.database, rules.name, readers)


def department_app(rules: DepartmentRules[Any], settings: Settings) -> FastAPI:
    """The application; its lifespan opens the database and starts relay, consumer, sealer and import worker."""
    department = discover(settings.services_folder)[rules.name]
    examples = load_examples(settings.services_folder / rules.name)
    health = Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await migrate(settings.database, FOLDERS)
        pool = await open_pool(settings.database, name=rules.name)
        desk = Desk(rules, pool, settings.topics, Wakeup())
        uploaded = Wakeup()
        rows = department_import(desk, department, examples)
        app.include_router(desk_router(desk, department, examples))
        app.include_router(imports_router(rows, pool, uploaded))
        health.add("database", database_probe(pool))
        async with AsyncExitStack() as running:
            running.push_async_callback(pool.close)
            await _start(running, desk, settings, health, pool)
            await running.enter_async_context(background("imports", ImportWorker(rows, pool, uploaded).run, health))
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
        bell=desk.wakeup,
        alive=AliveMarks(name, topics.status(name), settings.alive_every_s),
    )
    consumer = TransactionalConsumer(
        department_router(desk, topics, session_timeout_s=settings.session_timeout_s),
        name=name,
        pool=pool,
        kafka=settings.kafka,
        limit=DeadLetterLimit.of(settings),
        after_commit=desk.wakeup.ring,
    )
    add_relay_probe(health, relay, name)
    add_consumer_probe(health, consumer)
    health.add("holds", _hold_probe(pool, name))
    await running.enter_async_context(background("relay", relay.run, health))
    await running.enter_async_context(background("consumer", consumer.run, health))
    await running.enter_async_context(background("audit sealer", ChainSealer(pool).run, health))
    await running.enter_async_context(background("old requests", partial(delete_old_answers, pool), health))


def _hold_probe(pool: "asyncpg.Pool[Any]", name: str) -> Probe:
    """A hold whose attempt never ended keeps the record from changing: an operator has to look into it."""

    async def probe() -> str | None:
        async with pool.acquire() as connection:
            age_s = await oldest_hold_s(connection)
        oldest = None if age_s is None else datetime.now(UTC) - timedelta(seconds=age_s)
        metrics.HOLD_AGE.tell(oldest, department=name)
        if age_s is None or age_s < HOLD_OLD_AFTER_S:
            return None
        return f"the oldest hold is {age_s:.0f} s old: no end of its attempt has arrived"

    return probe


def _describe(department: DepartmentManifest) -> str:
    return (
        f"{department.title.zh} · The desk of the department. A change and its event are one transaction. Send "
        "`Authorization: Bearer <token>` and, with an operation, an `Idempotency-Key` of your choice."
    )
