"""The department at whose desk a signed-in person works: only one of their roles."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, Response

from services.gateway.case.wording import ViewContext
from services.gateway.routes.dependencies import (
    Context,
    CurrentSite,
    Desks,
    PageForbidden,
    Pages,
    Person,
    StaffAuditTable,
    StaffPeopleTable,
)
from services.gateway.staff.desk_client import DeskClient
from services.gateway.staff.offices import offices_of
from services.gateway.tables.sessions.session import Session
from services.gateway.tables.staff_audit import StaffAudit
from services.gateway.web.csrf import check_csrf
from services.gateway.web.renderer import Renderer
from services.kit.http.problems import Problem
from services.kit.manifests import DepartmentManifest


@dataclass(frozen=True, slots=True)
class Staff:
    session: Session
    offices: tuple[DepartmentManifest, ...]


@dataclass(frozen=True, slots=True)
class Office:
    """`name` of the person; `person` is what the department's audit records."""

    department: DepartmentManifest
    staff: Staff
    desk: DeskClient
    name: str
    context: ViewContext
    pages: Renderer
    audit: StaffAudit

    async def look_up(self, *students: str) -> None:
        """Audited; to be called before anything of them is shown."""
        await self.audit.looked_up(self.staff.session.account, self.department.name, students)

    @property
    def person(self) -> str:
        account = self.staff.session.account
        return self.name if self.name == account else f"{self.name} ({account})"

    @property
    def address(self) -> str:
        return f"/staff/{self.department.name}"

    def check_csrf(self, token: str) -> None:
        """Raises a 403 `Problem`."""
        check_csrf(self.staff.session, token)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        return self.pages.page(
            template,
            self.context.texts,
            session=self.staff.session,
            back=self.address,
            status=status,
            office=self,
            new_key=uuid4,
            **values,
        )


async def staff(person: Person, site: CurrentSite) -> Staff:
    """Raises `PageForbidden`."""
    offices = offices_of(site.departments, person.roles)
    if not offices:
        raise PageForbidden(person, "staff")
    return Staff(person, offices)


async def office(
    department: str,
    member: Annotated[Staff, Depends(staff)],
    site: CurrentSite,
    desks: Desks,
    people: StaffPeopleTable,
    context: Context,
    pages: Pages,
    audit: StaffAuditTable,
) -> Office:
    """Raises `PageForbidden` besides, and a 404 `Problem` for no department."""
    if department not in site.departments:
        raise Problem(404, "unknown-department", title="No such department")
    found = next((one for one in member.offices if one.name == department), None)
    if found is None:
        raise PageForbidden(member.session, "staff")
    name = await people.name_of(member.session.account)
    return Office(found, member, desks.of(department), name, context, pages, audit)


CurrentStaff = Annotated[Staff, Depends(staff)]
CurrentOffice = Annotated[Office, Depends(office)]
