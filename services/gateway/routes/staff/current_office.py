"""The department at whose desk a signed-in person works: only one of their roles."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from services.gateway.routes.dependencies import (
    Comments,
    Context,
    CurrentSite,
    Desks,
    PageForbidden,
    Pages,
    Person,
    ReminderService,
    StaffAuditTable,
    StaffPeopleTable,
)
from services.gateway.routes.staff.workplace import Workplace
from services.gateway.staff.offices import offices_of
from services.gateway.tables.line_comments import LineComments
from services.gateway.tables.sessions.session import Session
from services.kit.http.problems import Problem
from services.kit.manifests import DepartmentManifest


@dataclass(frozen=True, slots=True)
class Staff:
    session: Session
    offices: tuple[DepartmentManifest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Office(Workplace):
    department: DepartmentManifest
    staff: Staff
    comments: LineComments
    can_remind: bool

    async def look_up(self, *students: str) -> None:
        """Audited; to be called before anything of them is shown."""
        await self.audit.looked_up(self.session.account, self.department.name, students)

    @property
    def address(self) -> str:
        return f"/staff/{self.department.name}"


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
    comments: Comments,
    reminders: ReminderService,
) -> Office:
    """Raises `PageForbidden` besides, and a 404 `Problem` for no department."""
    if department not in site.departments:
        raise Problem(404, "unknown-department", title="No such department")
    found = next((one for one in member.offices if one.name == department), None)
    if found is None:
        raise PageForbidden(member.session, "staff")
    name = await people.name_of(member.session.account)
    return Office(
        department=found,
        staff=member,
        session=member.session,
        name=name,
        desk=desks.of(department),
        context=context,
        pages=pages,
        audit=audit,
        comments=comments,
        can_remind=reminders.is_configured,
    )


CurrentStaff = Annotated[Staff, Depends(staff)]
CurrentOffice = Annotated[Office, Depends(office)]
