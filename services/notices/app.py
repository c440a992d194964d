"""Composition root of the notice service."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import asyncpg
import httpx
from fastapi import APIRouter, FastAPI

from schemas.flows import NOTICES
from services.kit.http.access import auth
from services.kit.http.app import create_app
from services.kit.http.openapi import Interface
from services.kit.http.operators.routes import operator_routers
from services.kit.manifests import discover
from services.kit.messaging.audit_heads.api import chain_router
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.service_loops import ServiceLoops
from services.kit.observability import telemetry
from services.kit.observability.telemetry import Telemetry
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.runtime.health import Health
from services.kit.signing.configured import verifier_of
from services.kit.student_numbers import use_number_form
from services.notices.contacts.api import contacts_router
from services.notices.migration_folders import NOTICE_FOLDERS
from services.notices.reminders.api import reminders_router
from services.notices.retention import TABLES
from services.notices.sending.collector import Collector
from services.notices.sending.mail import MailTransport
from services.notices.sending.robots import robots_of
from services.notices.sending.sender import Sender
from services.notices.sending.transport import Transport
from services.notices.sending.watch import NoticeWatch
from services.notices.settings import NoticeSettings
from services.notices.subscriptions import (
    CASES,
    SENT,
    STATUSES,
    Reminding,
    cases_router,
    sent_router,
    statuses_router,
)
from services.notices.words import words_of

_ABOUT: Final[dict[str, Any]] = {
    "title": "Lixiao: notices",
    "version": "1",
    "description": (
        "Tells students by mail and by robot what has changed on their page; keeps where they are written to."
    ),
    "interface": Interface(
        NOTICES,
        {
            "contacts": "Where students are written to.",
            "reminders": "Whom a reminder by staff would reach, and what became of one.",
        },
    ),
}


def notices_app(settings: NoticeSettings, *, traced: Telemetry | None = None) -> FastAPI:
    use_number_form(settings.number_form)
    health = Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await migrate(settings.owner_database, NOTICE_FOLDERS)
        async with AsyncExitStack() as running:
            pool = await open_pool(settings.database, name=NOTICES)
            running.push_async_callback(pool.close)
            app.state.credentials.pool = pool
            for router in _routers(settings, pool):
                app.include_router(router)
            http = await running.enter_async_context(_http(settings))
            await running.enter_async_context(_loops(settings, health, pool, http).running())
            yield

    app = create_app(
        **_ABOUT,
        health=health,
        lifespan=lifespan,
        routers=(),
        telemetry=traced or telemetry.start(f"lixiao-{NOTICES}", settings=settings),
        docs=settings.docs,
        metrics=settings.metrics,
        allowed_hosts=settings.allowed_hosts,
    )
    app.state.credentials = auth.Credentials.of(settings)
    return app


def interface_of_notices(settings: NoticeSettings, pool: "asyncpg.Pool[Any]") -> FastAPI:
    """The routes alone, without loops: for the OpenAPI document, and for the answers recorded in it."""
    return create_app(**_ABOUT, health=Health(), lifespan=None, routers=_routers(settings, pool), telemetry=None)


def _routers(settings: NoticeSettings, pool: "asyncpg.Pool[Any]") -> tuple[APIRouter, ...]:
    return (
        contacts_router(pool),
        reminders_router(pool, words_of(settings), settings),
        *operator_routers(pool, settings),
        chain_router(pool, settings, NOTICES),
    )


def _http(settings: NoticeSettings) -> httpx.AsyncClient:
    """Configured addresses only, no redirects, certificates checked."""
    verify = ssl.create_default_context(cafile=settings.authorities) if settings.authorities else True
    return httpx.AsyncClient(follow_redirects=False, trust_env=False, verify=verify, timeout=settings.notice_timeout_s)


def transports_of(settings: NoticeSettings, http: httpx.AsyncClient) -> list[Transport]:
    """Of the configured channels."""
    mail: list[Transport] = [MailTransport(settings)] if settings.smtp_host is not None else []
    return [*mail, *robots_of(settings, http)]


def _loops(
    settings: NoticeSettings, health: Health, pool: "asyncpg.Pool[Any]", http: httpx.AsyncClient
) -> ServiceLoops:
    wakeup, noted, words = Wakeup(), Wakeup(), words_of(settings)
    loops = ServiceLoops(NOTICES, settings, pool, health, wakeup=wakeup, tables=TABLES)
    sent = _consumers(loops, settings, noted)
    transports = transports_of(settings, http)
    channels = [each.channel for each in transports]
    loops.add("collector", Collector(pool, channels, noted).run)
    for each in transports:
        sender = Sender(pool, each, words, settings, wakeup, is_caught_up=sent.is_caught_up)
        loops.add(f"sender {each.channel}", sender.run)
    watch = NoticeWatch(pool, channels)
    loops.add("watch", watch.run)
    health.add_warning("notices", watch.warning)
    return loops


def _consumers(loops: ServiceLoops, settings: NoticeSettings, noted: Wakeup) -> TransactionalConsumer:
    """Returns the one of the service's own topic."""
    departments = discover(settings.services_folder)
    timeout_s, verify = settings.session_timeout_s, verifier_of(settings, departments)
    sent = sent_router(settings.topics, session_timeout_s=timeout_s, verify=verify)
    cases = cases_router(settings.topics, session_timeout_s=timeout_s, verify=verify, reminding=Reminding.of(settings))
    statuses = statuses_router(
        settings.topics, departments, window_s=settings.notice_window_s, session_timeout_s=timeout_s
    )

    consumer = loops.consume(sent, name=SENT, prefix="sent ")
    loops.consume(cases, name=CASES, after_commit=noted.notify, prefix="cases ")
    loops.consume(statuses, name=STATUSES, after_commit=noted.notify, prefix="statuses ")
    return consumer
