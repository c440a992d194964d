"""The graduate school's office with the roster: only for people with its role."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import Depends

from services.gateway.routes.dependencies import (
    Context,
    CurrentSite,
    PageForbidden,
    Pages,
    Person,
    Roster,
    StaffAuditTable,
    StaffPeopleTable,
)
from services.gateway.routes.staff.workplace import Workplace
from services.gateway.staff.roster.client import RosterClient
from services.kit.names import GRADUATE_SCHOOL

AREA: Final = "roster"


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterOffice(Workplace):
    """`categories`: names of the leave categories that the configuration has."""

    roster: RosterClient
    categories: tuple[str, ...]

    layout: ClassVar[str] = "roster_base.html"
    covers: ClassVar[bool] = False

    @property
    def address(self) -> str:
        return "/roster"

    async def look_up(self, *students: str) -> None:
        """Audited; to be called before anything of them is shown."""
        await self.audit.looked_up(self.session.account, AREA, students)


async def roster_office(
    person: Person,
    site: CurrentSite,
    roster: Roster,
    people: StaffPeopleTable,
    context: Context,
    pages: Pages,
    audit: StaffAuditTable,
) -> RosterOffice:
    """Raises `PageForbidden`."""
    if GRADUATE_SCHOOL not in person.roles:
        raise PageForbidden(person, "roster")
    return RosterOffice(
        session=person,
        name=await people.name_of(person.account),
        desk=roster.desk,
        context=context,
        pages=pages,
        audit=audit,
        roster=roster,
        categories=tuple(one.name for one in site.policy.leave_category),
    )


CurrentRoster = Annotated[RosterOffice, Depends(roster_office)]
