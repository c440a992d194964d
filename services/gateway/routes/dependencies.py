"""The parts of a running gateway, as its routes get at them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from services.gateway.case.live import Hub
from services.gateway.case.present import present
from services.gateway.case.view_model import CasePage
from services.gateway.certificates.issue import CertificateIssueRequests
from services.gateway.i18n.catalogue import Texts, catalogue, chosen
from services.gateway.oidc.client import OpenIdClient
from services.gateway.printing.typst import FormRenderer
from services.gateway.read_model.students import ReadModel
from services.gateway.read_model.submissions import SubmissionRecords
from services.gateway.read_model.types import ReadModelUnavailable, StudentSnapshot
from services.gateway.settings import GatewaySettings
from services.gateway.tables.commands import StudentCommandTable
from services.gateway.tables.favourites import Favourites
from services.gateway.tables.sessions import COOKIE, Session, Sessions
from services.gateway.web.rate_limits import Limits
from services.gateway.web.renderer import Renderer
from services.kit.names import CERTIFICATE_DESK
from services.kit.postgres.pool import transient

LANGUAGE_COOKIE = "__Host-language"


class SignInNeeded(Exception):
    """Nobody is signed in here, or no longer."""


class NotForYou(Exception):
    """Somebody is signed in whom this page is not for: `desk` says whether it is the certificate desk's."""

    def __init__(self, session: Session, *, desk: bool) -> None:
        super().__init__("not for this person")
        self.session = session
        self.desk = desk


@dataclass(frozen=True, slots=True)
class Gateway:
    settings: GatewaySettings
    renderer: Renderer
    sessions: Sessions
    read_model: ReadModel
    commands: StudentCommandTable
    favourites: Favourites
    openid: OpenIdClient
    hub: Hub
    register: SubmissionRecords
    handing_over: CertificateIssueRequests
    checks: Limits
    printer: FormRenderer

    async def case_page(
        self, session: Session, texts: Texts
    ) -> tuple[StudentSnapshot | ReadModelUnavailable, CasePage]:
        """The page of the person of `session`, and what it rests on."""
        reading = await self.read_model.of(session.student_id)
        commands = await self.commands.newest(session.student_id)
        house = self.renderer.house
        return reading, present(reading, commands, house=house, texts=texts, now=datetime.now(UTC))


def gateway_of(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def texts_of(request: Request) -> Texts:
    """The visitor's language: the remembered switch, else what the browser asks for."""
    return catalogue(chosen(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language")))


async def visitor(request: Request) -> Session | None:
    """Who is signed in, or None."""
    return await gateway_of(request).sessions.find(request.cookies.get(COOKIE))


async def perhaps(request: Request) -> Session | None:
    """Who is signed in, as far as can be known: the guide stays open while nobody can be recognised."""
    try:
        return await visitor(request)
    except Exception as error:
        if not transient(error):
            raise
        return None


async def signed_in(session: Annotated[Session | None, Depends(visitor)]) -> Session:
    """The student who is signed in. Raises `SignInNeeded`, and `NotForYou` for staff who are no students."""
    if session is None:
        raise SignInNeeded
    if not session.student_id:
        raise NotForYou(session, desk=False)
    return session


async def at_the_desk(session: Annotated[Session | None, Depends(visitor)]) -> Session:
    """The clerk of the certificate desk who is signed in. Raises `SignInNeeded`, `NotForYou`."""
    if session is None:
        raise SignInNeeded
    if CERTIFICATE_DESK not in session.roles:
        raise NotForYou(session, desk=True)
    return session


Visitor = Annotated[Session | None, Depends(visitor)]
Perhaps = Annotated[Session | None, Depends(perhaps)]
SignedIn = Annotated[Session, Depends(signed_in)]
Clerk = Annotated[Session, Depends(at_the_desk)]
Language = Annotated[Texts, Depends(texts_of)]
Parts = Annotated[Gateway, Depends(gateway_of)]
