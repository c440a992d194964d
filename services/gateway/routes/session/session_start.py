"""The browser's session."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from services.gateway.certificates.whose import whose_certificates
from services.gateway.identity.authentication import required_context
from services.gateway.identity.identity import Identity
from services.gateway.routes.dependencies import CurrentSite, FavouriteTable, SessionTable, Settings, StaffPeopleTable
from services.gateway.staff.progress import scope_of
from services.gateway.tables.number_choices import NumberChoice
from services.gateway.tables.sessions.session import Session, hashed
from services.gateway.web.cookies import SESSION_COOKIE, drop_cookie, set_cookie
from services.kit.names import APPROVER, CERTIFICATE_DESK, GRADUATE_SCHOOL, OPERATOR, college_of_role, desk_role

DESTINATIONS: Final = {
    "case": "/case",
    "me": "/me",
    "completed": "/completed",
    "submitted": "/submitted",
    "guide": "/",
    "favourite": "/",
    "desk": "/desk",
    "staff": "/staff",
    "progress": "/progress",
    "roster": "/roster",
    "exceptions": "/exceptions",
    "operator": "/operator",
}
"""By name: an address in the URL would be an open redirect."""


class KnownRoles:
    """Roles of staff: who has one signs in without a student number."""

    def __init__(self, site: CurrentSite) -> None:
        self._by_colleges = site.university.certificates_by == "colleges"
        self._names = frozenset(
            (CERTIFICATE_DESK, GRADUATE_SCHOOL, OPERATOR, APPROVER, *map(desk_role, site.departments))
        )

    def signing_in(self, roles: frozenset[str]) -> frozenset[str]:
        """Whose way of signing in is asked for: a college that hands certificates over signs in as their desk does."""
        known = self.among(roles)
        whose = whose_certificates(known, by_colleges=self._by_colleges)
        return known if whose is None else known | {CERTIFICATE_DESK}

    def among(self, roles: frozenset[str]) -> frozenset[str]:
        return frozenset(role for role in roles if role in self._names or college_of_role(role))


StaffRoles = Annotated[KnownRoles, Depends(KnownRoles)]


class BrowserSession:
    def __init__(
        self,
        request: Request,
        sessions: SessionTable,
        roles: StaffRoles,
        people: StaffPeopleTable,
        settings: Settings,
        favourites: FavouriteTable,
    ) -> None:
        self._favourites = favourites
        self._settings = settings
        self._roles = roles
        self._people = people
        self._id = request.cookies.get(SESSION_COOKIE)
        self._sessions = sessions

    async def find(self) -> Session | None:
        return await self._sessions.find(self._id)

    async def start(self, who: Identity | NumberChoice, student_id: str | None, destination: str) -> Response:
        """Under a new id. Without a `student_id`, `who` has a role of staff."""
        roles = self._roles.among(who.roles)
        if roles and isinstance(who, Identity) and who.name:
            await self._people.remember(who.subject, who.name)
        context = required_context(self._settings.role_authentication, self._roles.signing_in(roles))
        session_id = await self._sessions.start(
            student_id=student_id,
            issuer=who.issuer,
            subject=who.subject,
            authenticated_at=who.authenticated_at,
            old=self._id,
            roles=roles,
            until=context.ends_at(who.authenticated_at, datetime.now(UTC)),
            sid=who.sid,
            refresh_token=who.refresh_token,
            id_token=who.id_token,
        )
        if student_id and destination == "favourite":
            await self._favourites.set(student_id, favourite=True)
        address = DESTINATIONS.get(destination, "/case") if student_id else _staff_home(roles)
        response = RedirectResponse(address, 303)
        set_cookie(response, SESSION_COOKIE, session_id, None)
        return response

    async def end(self, response: Response) -> None:
        if self._id is not None:
            await self._sessions.end(hashed(self._id), "replaced")
            drop_cookie(response, SESSION_COOKIE)


def home_of(session: Session) -> str:
    return "/case" if session.student_id else _staff_home(session.roles)


def redirect_home(session: Session) -> Response:
    return RedirectResponse(home_of(session), 303)


def _staff_home(roles: frozenset[str]) -> str:
    if CERTIFICATE_DESK in roles:
        return "/desk"
    if roles == {APPROVER}:
        return "/exceptions"
    if roles == {OPERATOR}:
        return "/operator"
    only_looks = bool(roles) and all(scope_of((role,)) is not None for role in roles)
    return "/progress" if only_looks else "/staff"


CurrentSession = Annotated[BrowserSession, Depends(BrowserSession)]
