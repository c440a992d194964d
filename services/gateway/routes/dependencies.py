"""What routes depend on."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeVar

from fastapi import Depends, FastAPI, Request
from fastapi.security import APIKeyCookie

from services.gateway.case.live.hub import Hub
from services.gateway.case.progress import CaseProgress, Standing, case_progress
from services.gateway.case.wording import ViewContext
from services.gateway.certificates.issue import CertificateIssueRequests
from services.gateway.certificates.proxy_documents import ProxyDocuments
from services.gateway.certificates.whose import Whose, whose_certificates
from services.gateway.contact_client import ContactClient
from services.gateway.i18n.catalogue import Texts, catalogue, preferred_language
from services.gateway.identity.provider import IdentityProvider
from services.gateway.printing.typst import FormRenderer
from services.gateway.read_model.students import ReadModel
from services.gateway.read_model.submissions import SubmissionRecords
from services.gateway.settings import GatewaySettings
from services.gateway.shown.recorder import ShownPages
from services.gateway.shown.table import ShownHistory
from services.gateway.staff.desk.desk_client import DeskClients
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
from services.gateway.tables.commands import StudentCommandTable
from services.gateway.tables.favourites import Favourites
from services.gateway.tables.line_comments import LineComments
from services.gateway.tables.number_choices import NumberChoices
from services.gateway.tables.reminders import Reminders
from services.gateway.tables.sessions.session import Session
from services.gateway.tables.sessions.session_table import Sessions
from services.gateway.tables.staff_audit import StaffAudit
from services.gateway.tables.staff_people import StaffPeople
from services.gateway.university import Site
from services.gateway.web.cookies import LANGUAGE_COOKIE, SESSION_COOKIE
from services.gateway.web.renderer import Renderer
from services.gateway.web.role_confirmation import RoleConfirmation
from services.gateway.web.verification_limits import VerificationLimits
from services.kit.http.problems import Problem
from services.kit.postgres.pool import transient

C = TypeVar("C")
RETRY: Final = {"Retry-After": "10"}
"""Headers of an answer while the read model is unavailable."""
EARLIER_FAILURE: Final = "lixiao.earlier_failure"
"""In the scope of a request: what went wrong with it before it came to its route."""


class SignInRequired(Exception):
    pass


PageOwner = Literal["student", "desk", "staff", "progress", "roster", "operator", "exceptions"]


class PageForbidden(Exception):
    """`owner`: whose page it is."""

    def __init__(self, session: Session, owner: PageOwner) -> None:
        super().__init__("not for this person")
        self.session = session
        self.owner = owner


def provide(app: FastAPI, *components: object) -> None:
    """Routes depend on a component by its type, or by a base of that."""
    app.state.components = {kind: component for component in components for kind in type(component).__mro__}


def component(kind: type[C]) -> Callable[[Request], Awaitable[C]]:
    async def provided(request: Request) -> C:
        found: C = request.app.state.components[kind]
        return found

    return provided


Settings = Annotated[GatewaySettings, Depends(component(GatewaySettings))]
CurrentSite = Annotated[Site, Depends(component(Site))]
Pages = Annotated[Renderer, Depends(component(Renderer))]
SessionTable = Annotated[Sessions, Depends(component(Sessions))]
Choices = Annotated[NumberChoices, Depends(component(NumberChoices))]
Students = Annotated[ReadModel, Depends(component(ReadModel))]
Submissions = Annotated[SubmissionRecords, Depends(component(SubmissionRecords))]
Commands = Annotated[StudentCommandTable, Depends(component(StudentCommandTable))]
Comments = Annotated[LineComments, Depends(component(LineComments))]
Contacts = Annotated[ContactClient, Depends(component(ContactClient))]
ReminderService = Annotated[ReminderClient, Depends(component(ReminderClient))]
ReminderTable = Annotated[Reminders, Depends(component(Reminders))]
Due = Annotated[DueLines, Depends(component(DueLines))]
FavouriteTable = Annotated[Favourites, Depends(component(Favourites))]
Certificates = Annotated[CertificateIssueRequests, Depends(component(CertificateIssueRequests))]
Documents = Annotated[ProxyDocuments, Depends(component(ProxyDocuments))]
StaffPeopleTable = Annotated[StaffPeople, Depends(component(StaffPeople))]
StaffAuditTable = Annotated[StaffAudit, Depends(component(StaffAudit))]
AccessAuditTable = Annotated[AccessAudit, Depends(component(AccessAudit))]
Roster = Annotated[RosterClient, Depends(component(RosterClient))]
Sources = Annotated[SourceReader, Depends(component(SourceReader))]
RosterLists = Annotated[RosterReader, Depends(component(RosterReader))]
Progress = Annotated[ProgressReader, Depends(component(ProgressReader))]
WorkLists = Annotated[WorkListReader, Depends(component(WorkListReader))]
Desks = Annotated[DeskClients, Depends(component(DeskClients))]
Operated = Annotated[OperatedServices, Depends(component(OperatedServices))]
Own = Annotated[OwnService, Depends(component(OwnService))]
Operating = Annotated[OperatingReader, Depends(component(OperatingReader))]
Confirmation = Annotated[RoleConfirmation, Depends(component(RoleConfirmation))]
Limits = Annotated[VerificationLimits, Depends(component(VerificationLimits))]
PagesShown = Annotated[ShownPages, Depends(component(ShownPages))]
History = Annotated[ShownHistory, Depends(component(ShownHistory))]
Streams = Annotated[Hub, Depends(component(Hub))]
Provider = Annotated[IdentityProvider, Depends(component(IdentityProvider))]
Printer = Annotated[FormRenderer, Depends(component(FormRenderer))]


def texts_of(request: Request) -> Texts:
    return catalogue(preferred_language(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language")))


async def language(request: Request) -> Texts:
    return texts_of(request)


async def view_context(site: CurrentSite, texts: Annotated[Texts, Depends(language)]) -> ViewContext:
    return ViewContext(site, texts, datetime.now(UTC))


async def session_if_any(request: Request, sessions: SessionTable, roles: Confirmation) -> Session | None:
    if (failure := request.scope.get(EARLIER_FAILURE)) is not None:
        raise failure
    session_id = request.cookies.get(SESSION_COOKIE)
    session = await sessions.find(session_id)
    return await roles.confirmed(session_id, session) if session and session_id else None


async def session_if_known(request: Request, sessions: SessionTable, roles: Confirmation) -> Session | None:
    """None also while the database does not answer: the guide stays open."""
    try:
        return await session_if_any(request, sessions, roles)
    except Exception as error:
        if not transient(error):
            raise
        return None


async def signed_in(session: Annotated[Session | None, Depends(session_if_any)]) -> Session:
    """Raises `SignInRequired`."""
    if session is None:
        raise SignInRequired
    return session


Person = Annotated[Session, Depends(signed_in)]


async def signed_in_student(person: Person) -> Session:
    """Raises `PageForbidden` for staff without a student number."""
    if not person.student_id:
        raise PageForbidden(person, "student")
    return person


async def served_by_clerk(person: Person, site: CurrentSite) -> Whose:
    """Raises `PageForbidden`."""
    whose = whose_certificates(person.roles, by_colleges=site.university.certificates_by == "colleges")
    if whose is None:
        raise PageForbidden(person, "desk")
    return whose


Served = Annotated[Whose, Depends(served_by_clerk)]
"""Whose certificates the person at the certificate desk hands over."""


async def signed_in_clerk(person: Person, served: Served) -> Session:
    """Raises `PageForbidden`."""
    return person


SESSION: Final = Depends(
    APIKeyCookie(
        name=SESSION_COOKIE,
        scheme_name="session",
        auto_error=False,
        description="The cookie of who has signed in with a browser, at /sign-in.",
    )
)
"""Of a route in the OpenAPI document; `signed_in` is what asks for it."""
Language = Annotated[Texts, Depends(language)]
Context = Annotated[ViewContext, Depends(view_context)]
Visitor = Annotated[Session | None, Depends(session_if_any)]
KnownVisitor = Annotated[Session | None, Depends(session_if_known)]
Student = Annotated[Session, Depends(signed_in_student)]
Clerk = Annotated[Session, Depends(signed_in_clerk)]


async def case_of_student(
    session: Student, students: Students, commands: Commands, comments: Comments, context: Context
) -> CaseProgress:
    student_id = session.student_id
    snapshot = await students.of(student_id)
    newest, said = await commands.newest(student_id), await comments.newest_of((student_id,))
    return case_progress(snapshot, newest, context.site, context.now, said.get(student_id, ()))


CurrentCase = Annotated[CaseProgress, Depends(case_of_student)]


async def readable_case(progress: CurrentCase) -> CaseProgress:
    """For a form's address: what cannot be read now is not "no such form". Raises a 503 `Problem`."""
    if progress.standing is Standing.UNAVAILABLE:
        raise Problem(503, "unreadable", title="The form cannot be read now", headers=RETRY)
    return progress


ReadableCase = Annotated[CaseProgress, Depends(readable_case)]
