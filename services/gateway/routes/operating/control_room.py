"""Where an operator works: only people with that role of the provider."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Response

from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.gateway.case.wording import ViewContext
from services.gateway.routes.dependencies import (
    Context,
    CurrentSite,
    Operated,
    Operating,
    Own,
    PageForbidden,
    Pages,
    Person,
    Settings,
    StaffAuditTable,
    StaffPeopleTable,
)
from services.gateway.settings import GatewaySettings
from services.gateway.staff.operating.audit_search import Audited
from services.gateway.staff.operating.client import OperatedService, OperatedServices
from services.gateway.staff.operating.own_service import OwnService
from services.gateway.staff.operating.reader import OperatingReader
from services.gateway.tables.sessions.session import Session
from services.gateway.tables.staff_audit import StaffAudit
from services.gateway.university import Site
from services.gateway.web.csrf import check_csrf
from services.gateway.web.renderer import Renderer
from services.kit.http.problems import Problem
from services.kit.names import OPERATOR
from services.kit.observability.subjects import searched_keys

AREA: Final = "operator"
ADDRESS: Final = "/operator"


@dataclass(frozen=True, slots=True)
class ControlRoom:
    session: Session
    name: str
    services: OperatedServices
    own: OwnService
    reader: OperatingReader
    site: Site
    settings: GatewaySettings
    context: ViewContext
    pages: Renderer
    audit: StaffAudit

    @property
    def person(self) -> str:
        """What the services' audits record."""
        account = self.session.account
        return self.name if self.name == account else f"{self.name} ({account})"

    @property
    def audited(self) -> tuple[Audited, ...]:
        return self.own, *(one for one in self.services.services if one.name != self.own.name)

    def service(self, name: str) -> OperatedService:
        """Raises a 404 `Problem`."""
        found = self.services.find(name)
        if found is None:
            raise Problem(404, "unknown-service", title="No such service")
        return found

    def check_csrf(self, token: str) -> None:
        """Raises a 403 `Problem`."""
        check_csrf(self.session, token)

    def trace(self, trace_id: str) -> str:
        """Its address, empty if traces are shown nowhere."""
        return self.settings.trace_ui.replace("{trace_id}", trace_id) if self.settings.trace_ui and trace_id else ""

    def traces_of(self, student_id: str) -> list[tuple[str, str]]:
        """Keys that the student's traces are found by, each with its address, empty if traces are shown nowhere."""
        keys = searched_keys(self.settings.trace_secrets, student_id, self.context.now)
        return [(key, (self.settings.trace_search or "").replace("{key}", key)) for key in keys]

    def title_of(self, service: str) -> str:
        texts, department = self.context.texts, self.site.departments.get(service)
        if department:
            return texts.of(department.title)
        return texts(f"operator.{service}") if service in (CLEARANCE, GATEWAY, NOTICES) else service

    def titles_of(self, services: Iterable[str]) -> list[str]:
        return [self.title_of(service) for service in services]

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        return self.pages.page(
            template, self.context.texts, session=self.session, back=ADDRESS, status=status, room=self, **values
        )


async def control_room(
    person: Person,
    site: CurrentSite,
    services: Operated,
    own: Own,
    reader: Operating,
    settings: Settings,
    people: StaffPeopleTable,
    context: Context,
    pages: Pages,
    audit: StaffAuditTable,
) -> ControlRoom:
    """Raises `PageForbidden`."""
    if OPERATOR not in person.roles:
        raise PageForbidden(person, "operator")
    name = await people.name_of(person.account)
    return ControlRoom(person, name, services, own, reader, site, settings, context, pages, audit)


CurrentRoom = Annotated[ControlRoom, Depends(control_room)]
