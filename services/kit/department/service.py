"""A department's service: desk API, imports, relay, consumer, and loops of its own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
from fastapi import APIRouter, FastAPI

from services.kit.department.api.desk_routes import desk_router
from services.kit.department.api.evidence_routes import evidence_router
from services.kit.department.api.hold_routes import holds_router
from services.kit.department.api.holder_routes import holder_router
from services.kit.department.api.note_routes import notes_router
from services.kit.department.api.staff_routes import staff_router
from services.kit.department.api.status_routes import status_router
from services.kit.department.changes.evidence_acts import EvidenceActs
from services.kit.department.changes.imports import department_import, import_headings
from services.kit.department.desk import Desk
from services.kit.department.examples import Examples, load_examples
from services.kit.department.loops.edited_records import EditedRecords
from services.kit.department.loops.hold_watch import HoldWatch
from services.kit.department.loops.reassessment import Reassessment
from services.kit.department.loops.rules_fingerprint import adopt_rules, rules_fingerprint
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.department.recovery.first_reading import FirstReading
from services.kit.department.recovery.republication import StatusPublisher
from services.kit.department.recovery.status_log import StatusLog
from services.kit.department.retention import TABLES
from services.kit.department.rounds.holds import Holds
from services.kit.department.subscriptions import replay_handlers, router_of
from services.kit.department.tables.holders import list_holdings
from services.kit.department.tables.record_store import DIGESTS
from services.kit.http.access import auth
from services.kit.http.app import create_app
from services.kit.http.openapi import Interface
from services.kit.http.operators.routes import operator_routers
from services.kit.imports.api import imports_router
from services.kit.imports.sources.folder import FOLDER, load_sources
from services.kit.imports.sources.source import Source
from services.kit.imports.spec import ImportSpec
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import DepartmentManifest, discover
from services.kit.messaging.audit_heads.api import chain_router
from services.kit.messaging.dead_letters.api import dead_letter_router
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.alive_marks import AliveMarks
from services.kit.messaging.service_loops import ServiceLoops
from services.kit.observability import telemetry
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.republishing.api import republications_router
from services.kit.republishing.worker import Republisher
from services.kit.rules.department_rules import DepartmentRules
from services.kit.runtime.health import Health
from services.kit.settings import Settings
from services.kit.student_numbers import use_number_form


def department_app(rules: DepartmentRules[Any], settings: Settings) -> FastAPI:
    use_number_form(settings.number_form)
    described, health = _described(rules, settings), Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await migrate(settings.owner_database, DEPARTMENT_FOLDERS)
        pool = await open_pool(settings.database, name=rules.name)
        app.state.credentials.pool = pool
        parts = _parts(rules, pool, settings, described)
        await list_holdings(pool, rules)
        await adopt_rules(pool, rules_fingerprint(settings.services_folder / rules.name))
        for router in _routers(parts, settings):
            app.include_router(router)
        loops = _messaging_loops(parts.desk, settings, health)
        loops.add("imports", ImportWorker(parts.rows, pool, parts.uploaded).run)
        _add_own_loops(loops, parts, health)
        try:
            async with loops.running():
                yield
        finally:
            await pool.close()

    app = create_app(
        **_about(described.manifest),
        health=health,
        lifespan=lifespan,
        routers=(),
        telemetry=telemetry.start(f"lixiao-{rules.name}", settings=settings, department=rules.name),
        docs=settings.docs,
        metrics=settings.metrics,
        allowed_hosts=settings.allowed_hosts,
    )
    app.state.credentials = auth.Credentials.of(settings)
    return app


def interface_of_department(rules: DepartmentRules[Any], settings: Settings, pool: "asyncpg.Pool[Any]") -> FastAPI:
    """The routes alone, without loops: for the OpenAPI document, and for the answers recorded in it."""
    described = _described(rules, settings)
    routers = _routers(_parts(rules, pool, settings, described), settings)
    about = _about(described.manifest)
    return create_app(**about, health=Health(), lifespan=None, routers=routers, telemetry=None)


class _Described(NamedTuple):
    """By the department's folder, and the university's."""

    manifest: DepartmentManifest
    examples: Examples
    sources: Mapping[str, Source]


class _Parts(NamedTuple):
    """What routes and loops share."""

    described: _Described
    desk: Desk[Any]
    acts: EvidenceActs
    rows: ImportSpec[Any]
    holds: Holds
    uploaded: Wakeup
    coverage_changed: Wakeup


def _parts(rules: DepartmentRules[Any], pool: "asyncpg.Pool[Any]", settings: Settings, described: _Described) -> _Parts:
    desk, coverage_changed = _desk(rules, pool, described.manifest, settings), Wakeup()
    acts = EvidenceActs(desk, coverage_changed)
    rows = department_import(desk, *described, acts)
    holds = Holds(desk, settings.topics, grace_s=settings.hold_grace_s)
    return _Parts(described, desk, acts, rows, holds, Wakeup(), coverage_changed)


def _routers(parts: _Parts, settings: Settings) -> tuple[APIRouter, ...]:
    desk, pool = parts.desk, parts.desk.pool
    department, examples, _ = parts.described
    return (
        desk_router(desk, department, examples, require_if_match=settings.require_if_match),
        holder_router(desk, department, examples),
        holds_router(parts.holds),
        staff_router(desk, department),
        notes_router(desk, department),
        imports_router(parts.rows, pool, parts.uploaded),
        evidence_router(parts.acts, desk),
        republications_router(pool),
        status_router(pool),
        dead_letter_router(pool, replay_handlers(desk, settings)),
        *operator_routers(pool, settings),
        chain_router(pool, settings, desk.rules.name),
    )


def _described(rules: DepartmentRules[Any], settings: Settings) -> _Described:
    manifest, folder = discover(settings.services_folder)[rules.name], settings.services_folder / rules.name
    headings = import_headings(manifest, rules.import_row)
    sources = load_sources([folder / FOLDER, settings.sources_of(rules.name)], rules.import_row, headings)
    return _Described(manifest, load_examples(folder), sources)


def _desk(
    rules: DepartmentRules[Any], pool: "asyncpg.Pool[Any]", department: DepartmentManifest, settings: Settings
) -> Desk[Any]:
    return Desk(
        rules,
        pool,
        settings.topics,
        Wakeup(),
        department,
        refuse_unknown=settings.unknown_students == "refuse",
        reject_outdated=settings.outdated_rows == "reject",
        zone=settings.zone,
    )


def _messaging_loops(desk: Desk[Any], settings: Settings, health: Health) -> ServiceLoops:
    """Relay and consumer."""
    name, topics = desk.rules.name, settings.topics
    log = StatusLog(desk.pool, name, topics.status(name))
    marks = AliveMarks(
        name,
        log.topic,
        settings.alive_every_s,
        DIGESTS,
        digest_every_s=settings.digest_every_s,
        on_new_topic=log.made_anew,
    )
    loops = ServiceLoops(
        name, settings, desk.pool, health, wakeup=desk.wakeup, tables=TABLES, alive=marks, published=log
    )
    consumer = loops.consume(router_of(desk, settings), name=name)
    reading = FirstReading(desk, consumer)
    loops.add("first reading", reading.run)
    health.add("requests read", reading.probe)
    return loops


def _add_own_loops(loops: ServiceLoops, parts: _Parts, health: Health) -> None:
    desk = parts.desk
    republisher = Republisher(desk.pool, StatusPublisher(desk), desk.wakeup)
    watch = HoldWatch(desk.pool, desk.rules.name, parts.holds)
    reassessment = Reassessment(desk, parts.coverage_changed)
    edited = EditedRecords(desk)
    loops.add("republication", republisher.run)
    loops.add("holds", watch.run)
    loops.add("reassessment", reassessment.run)
    loops.add("edited records", edited.run)
    health.add_warning("republication", republisher.warning)
    health.add_warning("holds", watch.warning)
    health.add_warning("open questions", reassessment.warning)
    health.add_warning("edited records", edited.warning)


def _about(department: DepartmentManifest) -> dict[str, Any]:
    title = department.title
    desk = "The desk: operations, records, notes. A change and its event are one transaction."
    return {
        "title": f"Lixiao: {title.en}",
        "version": "1",
        "description": (
            f"{title.zh} · The desk of the department. A change and its event are one transaction. Send "
            "`Authorization: Bearer <token>` and, with an operation, an `Idempotency-Key` of your choice."
        ),
        "interface": Interface(department.name, {title.en: desk}),
    }
