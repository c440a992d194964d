"""A department's service: desk API, imports, relay, consumer."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, Final

import asyncpg
import typer
from fastapi import FastAPI

from services.kit.cli import service_cli
from services.kit.department.api.desk_routes import desk_router
from services.kit.department.api.evidence_routes import evidence_router
from services.kit.department.api.hold_routes import holds_router
from services.kit.department.api.holder_routes import holder_router
from services.kit.department.api.staff_routes import staff_router
from services.kit.department.desk import Desk
from services.kit.department.evidence_acts import EvidenceActs
from services.kit.department.examples import load_examples
from services.kit.department.hold_commands import hold_commands
from services.kit.department.holders import list_holdings
from services.kit.department.holds import Holds
from services.kit.department.imports import department_import, import_headings
from services.kit.department.loops.edited_records import EditedRecords
from services.kit.department.loops.hold_watch import HoldWatch
from services.kit.department.loops.reassessment import Reassessment
from services.kit.department.record_store import DIGESTS
from services.kit.department.republication import StatusPublisher
from services.kit.department.retention import TABLES
from services.kit.department.rules_fingerprint import adopt_rules, rules_fingerprint
from services.kit.department.status_log import StatusLog
from services.kit.department.subscriptions import department_router
from services.kit.http import auth
from services.kit.http.app import create_app
from services.kit.http.server import serve
from services.kit.imports.api import imports_router
from services.kit.imports.sources.folder import FOLDER, load_sources
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import DepartmentManifest, discover
from services.kit.messaging.dead_letters.actions import ReplayHandler
from services.kit.messaging.dead_letters.cli import DeadLetterStore, dead_letters_of
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.alive_marks import AliveMarks
from services.kit.messaging.service_loops import ServiceLoops
from services.kit.names import OPERATOR, desk_role
from services.kit.observability import telemetry
from services.kit.postgres.migrations import KIT_MIGRATIONS, migrate
from services.kit.postgres.pool import open_pool
from services.kit.republishing.api import republications_router
from services.kit.republishing.cli import republish_command
from services.kit.republishing.worker import Republisher
from services.kit.rules.department_rules import DepartmentRules
from services.kit.runtime.health import Health
from services.kit.settings import Settings, load
from services.kit.signing.configured import verifier_of
from services.kit.student_numbers import use_number_form
from services.kit.tokens.cli import token_commands

FOLDERS: Final = tuple(
    KIT_MIGRATIONS / name
    for name in ("outbox", "inbox", "audit", "tokens", "republication", "digest", "desk", "imports")
)


def run_department(rules: DepartmentRules[Any]) -> None:
    department_commands(rules)()


def department_commands(rules: DepartmentRules[Any]) -> typer.Typer:
    def run() -> None:
        settings = load(Settings)
        serve(department_app(rules, settings), settings)

    cli = service_cli(f"The {rules.name} service", serve=run, dead_letters=partial(_open_dead_letters, rules))
    cli.add_typer(token_commands({desk_role(rules.name), OPERATOR}), name="tokens")
    cli.command("republish")(republish_command(partial(_open_publisher, rules)))
    cli.add_typer(hold_commands(partial(_open_holds, rules)), name="holds")
    return cli


@asynccontextmanager
async def _open_holds(rules: DepartmentRules[Any]) -> AsyncIterator[Holds]:
    settings = load(Settings)
    pool = await open_pool(settings.database, name=f"{rules.name}.command", max_size=2)
    try:
        # No wakeup: the relay of the running service polls the outbox.
        desk = Desk(rules, pool, settings.topics, Wakeup(), discover(settings.services_folder)[rules.name])
        yield Holds(desk, settings.topics, grace_s=settings.hold_grace_s)
    finally:
        await pool.close()


def _open_dead_letters(rules: DepartmentRules[Any]) -> AbstractAsyncContextManager[DeadLetterStore]:
    settings = load(Settings)
    topics = settings.topics

    def readers(pool: "asyncpg.Pool[Any]") -> dict[str, ReplayHandler]:
        # No wakeup: the relay of the running service polls the outbox.
        departments = discover(settings.services_folder)
        desk = Desk(rules, pool, topics, Wakeup(), departments[rules.name])
        router = department_router(desk, topics, verify=verifier_of(settings, departments))
        return {router.group: ReplayHandler(router.subscription.apply)}

    return dead_letters_of(settings.database, rules.name, readers)


@asynccontextmanager
async def _open_publisher(rules: DepartmentRules[Any]) -> AsyncIterator[tuple["asyncpg.Pool[Any]", StatusPublisher]]:
    settings = load(Settings)
    use_number_form(settings.number_form)
    pool = await open_pool(settings.database, name=f"{rules.name}.command", max_size=2)
    try:
        department = discover(settings.services_folder)[rules.name]
        yield pool, StatusPublisher(Desk(rules, pool, settings.topics, Wakeup(), department))
    finally:
        await pool.close()


def department_app(rules: DepartmentRules[Any], settings: Settings) -> FastAPI:
    use_number_form(settings.number_form)
    department = discover(settings.services_folder)[rules.name]
    folder = settings.services_folder / rules.name
    examples = load_examples(folder)
    sources = load_sources(
        [folder / FOLDER, settings.sources_of(rules.name)],
        rules.import_row,
        import_headings(department, rules.import_row),
    )
    health = Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await migrate(settings.database, FOLDERS)
        pool = await open_pool(settings.database, name=rules.name)
        app.state.credentials.pool = pool
        desk = Desk(
            rules,
            pool,
            settings.topics,
            Wakeup(),
            department,
            refuse_unknown=settings.unknown_students == "refuse",
            reject_outdated=settings.outdated_rows == "reject",
            zone=settings.zone,
        )
        uploaded, coverage_changed = Wakeup(), Wakeup()
        acts = EvidenceActs(desk, coverage_changed)
        rows = department_import(desk, department, examples, sources, acts)
        await list_holdings(pool, rules)
        await adopt_rules(pool, rules_fingerprint(folder))
        app.include_router(desk_router(desk, department, examples, require_if_match=settings.require_if_match))
        app.include_router(holder_router(desk, department, examples))
        app.include_router(holds_router(Holds(desk, settings.topics, grace_s=settings.hold_grace_s)))
        app.include_router(staff_router(desk, department))
        app.include_router(imports_router(rows, pool, uploaded))
        app.include_router(evidence_router(acts, desk))
        app.include_router(republications_router(pool))
        loops = _loops(desk, settings, health)
        loops.add("imports", ImportWorker(rows, pool, uploaded).run)
        reassessment = Reassessment(desk, coverage_changed)
        loops.add("reassessment", reassessment.run)
        health.add_warning("open questions", reassessment.warning)
        edited = EditedRecords(desk)
        loops.add("edited records", edited.run)
        health.add_warning("edited records", edited.warning)
        try:
            async with loops.running():
                yield
        finally:
            await pool.close()

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
        allowed_hosts=settings.allowed_hosts,
    )
    app.state.credentials = auth.Credentials.load(settings.credentials)
    return app


def _loops(desk: Desk[Any], settings: Settings, health: Health) -> ServiceLoops:
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
    verify = verifier_of(settings, discover(settings.services_folder))
    router = department_router(desk, topics, session_timeout_s=settings.session_timeout_s, verify=verify)
    loops.consume(router, name=name, after_commit=desk.wakeup.notify)
    republisher = Republisher(desk.pool, StatusPublisher(desk), desk.wakeup)
    loops.add("republication", republisher.run)
    health.add_warning("republication", republisher.warning)
    watch = HoldWatch(desk.pool, name, Holds(desk, topics, grace_s=settings.hold_grace_s))
    health.add_warning("holds", watch.warning)
    loops.add("holds", watch.run)
    return loops


def _describe(department: DepartmentManifest) -> str:
    return (
        f"{department.title.zh} · The desk of the department. A change and its event are one transaction. Send "
        "`Authorization: Bearer <token>` and, with an operation, an `Idempotency-Key` of your choice."
    )
