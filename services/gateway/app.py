"""The composition root of the gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.types import ASGIApp

from schemas.flows import GATEWAY, NOTICES
from services.gateway.case.live.hub import Hub
from services.gateway.certificates.issue import CertificateIssueRequests
from services.gateway.certificates.proxy_documents import ProxyDocuments
from services.gateway.contact_client import ContactClient
from services.gateway.identity.configured import identity_provider
from services.gateway.migration_folders import GATEWAY_FOLDERS
from services.gateway.outgoing import outgoing_client
from services.gateway.printing.typst import FormRenderer
from services.gateway.read_model.students import ReadModel
from services.gateway.read_model.submissions import SubmissionRecords
from services.gateway.retention import TABLES
from services.gateway.routes import error_pages, public_verification, security_txt
from services.gateway.routes.dependencies import provide
from services.gateway.routes.desk import desk_api, desk_pages
from services.gateway.routes.exceptions import exception_pages
from services.gateway.routes.operating import OPERATING_ROUTERS
from services.gateway.routes.roster import ROSTER_ROUTERS
from services.gateway.routes.session import number_choice, own_sessions, provider_logout, sign_in, sign_out
from services.gateway.routes.staff import STAFF_ROUTERS
from services.gateway.routes.student import (
    case_reads,
    comment_pages,
    form_pages,
    form_pdf,
    live_streams,
    notice_settings,
    student_api,
    student_commands,
    student_pages,
)
from services.gateway.routes.student.live_pages import LivePages
from services.gateway.settings import GatewaySettings
from services.gateway.shown.recorder import ShownPages
from services.gateway.shown.table import ShownHistory
from services.gateway.staff.desk.desk_client import DeskClient, DeskClients
from services.gateway.staff.lists.work_list import WorkListReader
from services.gateway.staff.operating.client import OperatedServices
from services.gateway.staff.operating.own_service import OwnService
from services.gateway.staff.operating.reader import OperatingReader
from services.gateway.staff.progress import ProgressReader
from services.gateway.staff.reminders.client import ReminderClient
from services.gateway.staff.reminders.due import DueLines
from services.gateway.staff.roster.client import RosterClient
from services.gateway.staff.roster.listing import RosterReader
from services.gateway.staff.sources import SourceReader
from services.gateway.tables.access_audit import AccessAudit
from services.gateway.tables.command_resends import CommandResends
from services.gateway.tables.commands import StudentCommandTable
from services.gateway.tables.favourites import Favourites
from services.gateway.tables.line_comments import LineComments
from services.gateway.tables.number_choices import NumberChoices
from services.gateway.tables.reminders import Reminders
from services.gateway.tables.sessions.confirmed_roles import ConfirmedRoles
from services.gateway.tables.sessions.measure import measure_sessions
from services.gateway.tables.sessions.session_table import Sessions
from services.gateway.tables.shared_limits import SharedLimits
from services.gateway.tables.staff_audit import StaffAudit
from services.gateway.tables.staff_people import StaffPeople
from services.gateway.tables.subscriptions import gateway_router
from services.gateway.tables.visits import Visits
from services.gateway.university import CONFIGURATIONS, Site, departments, load
from services.gateway.web.guard import Guard
from services.gateway.web.kept_answers import KeptAnswers
from services.gateway.web.renderer import Renderer
from services.gateway.web.role_confirmation import RoleConfirmation
from services.gateway.web.verification_limits import VerificationLimits
from services.kit.clearance_policy import load_policy
from services.kit.http.app import create_app
from services.kit.http.openapi import Interface
from services.kit.http.serving.server import before_drain
from services.kit.manifests import required_checks
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.service_loops import ServiceLoops
from services.kit.names import COMMAND_CHANNEL, ROSTER, VIEW_CHANNEL
from services.kit.observability import telemetry
from services.kit.observability.telemetry import Telemetry
from services.kit.postgres.migrations import migrate
from services.kit.postgres.notifications import listen
from services.kit.postgres.pool import open_pool
from services.kit.runtime.health import Health
from services.kit.signing.configured import verifier_of
from services.kit.student_numbers import use_number_form

_log = structlog.get_logger(__name__)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    student_pages.router,
    form_pages.router,
    notice_settings.router,
    student_commands.router,
    comment_pages.router,
    form_pdf.router,
    desk_pages.router,
    desk_api.router,
    *STAFF_ROUTERS,
    *ROSTER_ROUTERS,
    exception_pages.router,
    *OPERATING_ROUTERS,
    public_verification.router,
    sign_in.router,
    sign_out.router,
    own_sessions.router,
    provider_logout.router,
    security_txt.router,
    number_choice.router,
    student_api.router,
)
"""Of every page and answer; beside them assets, health and what operators ask for."""


_ABOUT: Final[dict[str, Any]] = {
    "title": "Lixiao: gateway",
    "version": "1",
    "description": (
        "A student's own case: its checks, its submission, and commands to the departments; and the certificate desk. "
        "Sign in with a browser at /sign-in; the session cookie then comes with every request."
    ),
    "interface": Interface(
        GATEWAY,
        {
            "student": "What a student's own page shows and does.",
            "certificate desk": "What the certificate desk's page shows and does.",
        },
        address="lixiao.example.edu",
    ),
}


def gateway_app(settings: GatewaySettings, *, traced: Telemetry | None = None) -> FastAPI:
    use_number_form(settings.number_form)
    folder = settings.university or CONFIGURATIONS / "cumt"
    manifests = departments(folder, settings.services_folder)
    policy = load_policy(folder, required_checks(manifests))
    site = Site(load(folder), manifests, settings.freshness_bound_s, policy)
    renderer, health = Renderer(site, folder), Health()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            await _start(app, running, settings, renderer, health)
            yield

    app = create_app(
        **_ABOUT,
        health=health,
        lifespan=lifespan,
        routers=(renderer.assets.routes(), *ROUTERS),
        telemetry=traced or telemetry.start(f"lixiao-{GATEWAY}", settings=settings),
        docs=settings.docs,
        metrics=settings.metrics,
        allowed_hosts=settings.hosts,
        outermost=_guard(settings.origin, renderer),
        before_routes=_before_routes(renderer),
        often_read=(*case_reads.PATHS, live_streams.PATH),
    )
    error_pages.install(app, renderer)
    return app


def interface_of_gateway() -> FastAPI:
    """The routes alone, without what they are answered with: for the OpenAPI document."""
    return create_app(**_ABOUT, health=Health(), lifespan=None, routers=ROUTERS, telemetry=None)


def _guard(origin: str, renderer: Renderer) -> Callable[[ASGIApp], ASGIApp]:
    def refuse(request: Request, problem: Response) -> Response:
        return error_pages.problem_or_page(renderer, request, problem)

    return lambda app: Guard(app, origin=origin, refuse=refuse, unlimited=renderer.assets.addresses)


def _before_routes(renderer: Renderer) -> Callable[[ASGIApp], ASGIApp]:
    kept = KeptAnswers()
    return lambda app: live_streams.LiveStreams(case_reads.CaseReads(app, renderer, kept))


async def _start(
    app: FastAPI, running: AsyncExitStack, settings: GatewaySettings, renderer: Renderer, health: Health
) -> None:
    await migrate(settings.owner_database, GATEWAY_FOLDERS)

    async def opened(dsn: str, name: str, **options: Any) -> "asyncpg.Pool[Any]":
        pool = await open_pool(dsn, name=name, **options)
        running.push_async_callback(_close, pool)
        return pool

    pool = await opened(settings.database, GATEWAY)
    # No connection yet: the pages open while the read model does not answer.
    readers = await opened(settings.read_model, f"{GATEWAY}.reader", min_size=0, plain_reads=True)
    students = await opened(settings.read_model, f"{GATEWAY}.students", min_size=0, max_size=4, by_key=True)
    visitors = await opened(settings.database, f"{GATEWAY}.visits", max_size=2, by_key=True)
    http = await running.enter_async_context(outgoing_client(settings))
    wakeup, printer = Wakeup(), _printer(settings, health)
    running.callback(printer.close)
    provider = identity_provider(http, settings)
    sessions = Sessions(
        pool,
        idle_s=settings.session_idle_s,
        life_s=settings.session_life_s,
        roles_check_s=settings.roles_check_s,
    )
    read_model, records = ReadModel(students), SubmissionRecords(readers)
    commands, limits = StudentCommandTable(pool, settings.topics, wakeup), SharedLimits(pool)
    comments, shown = LineComments(pool, limits), ShownPages(pool, keep=settings.keep_shown_days > 0)
    hub = _hub(settings, renderer, read_model, commands, comments, sessions, shown)
    provide(
        app,
        settings,
        renderer.site,
        renderer,
        sessions,
        NumberChoices(pool),
        read_model,
        records,
        commands,
        Visits(visitors, sessions),
        Favourites(pool),
        CertificateIssueRequests(pool, settings.topics, wakeup, records),
        ProxyDocuments(settings.proxy_document_keys, pool, limits),
        comments,
        VerificationLimits(limits),
        ContactClient(DeskClient(NOTICES, http, settings.notices)),
        ReminderClient(DeskClient(NOTICES, http, settings.notices)),
        Reminders(pool, settings.topics, wakeup),
        DueLines(read_model, commands, renderer.site),
        *_of_staff(settings, pool, readers, http),
        hub,
        shown,
        ShownHistory(pool),
        provider,
        RoleConfirmation(
            sessions, ConfirmedRoles(pool, check_s=settings.roles_check_s), provider, life_s=settings.roles_life_s
        ),
        printer,
    )
    before_drain(app, hub.close)
    health.add("read model", read_model.probe)
    loops = _loops(settings, renderer.site, pool, health, wakeup, hub)
    loops.add("shown pages", shown.run)
    loops.add("session metrics", partial(measure_sessions, pool, sessions.idle))
    await running.enter_async_context(loops.running())


def _printer(settings: GatewaySettings, health: Health) -> FormRenderer:
    """Raises `ValueError` for a certificate or key that cannot be used."""
    if settings.pdf_certificate is None:
        _log.info("pdf_signature.switched_off")
        return FormRenderer()
    from services.gateway.printing import pdf_signature  # takes long to import, and only who signs needs it

    key: Path | pdf_signature.Token | None = settings.pdf_key
    if settings.pdf_module is not None:
        key = pdf_signature.Token(
            settings.pdf_module, settings.pdf_token, settings.pdf_pin or "", settings.pdf_key_label
        )
    assert key is not None
    signer = pdf_signature.load(settings.pdf_certificate, key)
    health.add_warning("certificate of PDFs", signer.warning)
    return FormRenderer(sign=signer.signed)


def _of_staff(
    settings: GatewaySettings, pool: "asyncpg.Pool[Any]", readers: "asyncpg.Pool[Any]", http: httpx.AsyncClient
) -> tuple[object, ...]:
    """What the pages of staff are made with."""
    desks = DeskClients(http, settings.desks)
    return (
        StaffPeople(pool),
        StaffAudit(pool),
        AccessAudit(pool),
        WorkListReader(readers),
        ProgressReader(readers),
        desks,
        SourceReader(readers, desks),
        RosterClient(DeskClient(ROSTER, http, settings.roster)),
        RosterReader(readers),
        OperatedServices(http, settings.operated),
        OwnService(pool, settings),
        OperatingReader(readers),
    )


def _hub(
    settings: GatewaySettings,
    renderer: Renderer,
    read_model: ReadModel,
    commands: StudentCommandTable,
    comments: LineComments,
    sessions: Sessions,
    shown: ShownPages,
) -> Hub:
    return Hub(
        read_model,
        commands.newest_of,
        comments.newest_of,
        sessions.alive,
        site=renderer.site,
        page=LivePages(renderer, shown).page,
        max_streams=settings.max_streams,
        session_check_s=settings.stream_session_check_s,
    )


def _loops(
    settings: GatewaySettings, site: Site, pool: "asyncpg.Pool[Any]", health: Health, wakeup: Wakeup, hub: Hub
) -> ServiceLoops:
    """What runs beside the requests."""
    loops = ServiceLoops(GATEWAY, settings, pool, health, wakeup=wakeup, tables=TABLES)
    router = gateway_router(
        settings.topics,
        site.departments,
        session_timeout_s=settings.session_timeout_s,
        verify=verifier_of(settings, site.departments),
    )
    # Without the broker the pages still show what is known.
    loops.consume(router, name=GATEWAY, needs_broker=False)
    resends = CommandResends(
        pool, settings.topics, wakeup, after_s=settings.command_resend_s, life_s=settings.command_life_s
    )
    loops.add("command resends", resends.run)
    loops.add("listen to the view", partial(listen, settings.read_model, VIEW_CHANNEL, hub.notify, name=GATEWAY))
    loops.add("listen to commands", partial(listen, settings.database, COMMAND_CHANNEL, hub.notify, name=GATEWAY))
    loops.add("live", hub.run)
    loops.add("live pings", hub.beat)
    return loops


async def _close(pool: "asyncpg.Pool[Any]") -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except TimeoutError:
        pool.terminate()
