"""The browser's session."""

from typing import Annotated, Final

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from services.gateway.oidc.identity import Identity
from services.gateway.routes.dependencies import SessionTable, Settings
from services.gateway.tables.number_choices import NumberChoice
from services.gateway.tables.sessions import Session, hashed
from services.gateway.web.cookies import SESSION_COOKIE, drop_cookie, set_cookie
from services.kit.names import CERTIFICATE_DESK

DESTINATIONS: Final = {"case": "/case", "me": "/me", "completed": "/completed", "guide": "/", "desk": "/desk"}
"""By name: an address in the URL would be an open redirect."""
ROLES: Final = frozenset({CERTIFICATE_DESK})
"""Sign in without a student number."""


class BrowserSession:
    def __init__(self, request: Request, sessions: SessionTable, settings: Settings) -> None:
        self._id = request.cookies.get(SESSION_COOKIE)
        self._sessions = sessions
        self._life_s = settings.session_life_s

    async def find(self) -> Session | None:
        return await self._sessions.find(self._id)

    async def start(self, who: Identity | NumberChoice, student_id: str | None, destination: str) -> Response:
        """Under a new id. Without a `student_id`, `who` has one of `ROLES`."""
        session_id = await self._sessions.start(
            student_id=student_id,
            issuer=who.issuer,
            subject=who.subject,
            authenticated_at=who.authenticated_at,
            old=self._id,
            roles=who.roles & ROLES,
        )
        address = DESTINATIONS.get(destination, "/case") if student_id else "/desk"
        response = RedirectResponse(address, 303)
        set_cookie(response, SESSION_COOKIE, session_id, self._life_s)
        return response

    async def end(self, response: Response) -> None:
        if self._id is not None:
            await self._sessions.end(hashed(self._id))
            drop_cookie(response, SESSION_COOKIE)


def redirect_home(session: Session) -> Response:
    return RedirectResponse("/case" if session.student_id else "/desk", 303)


CurrentSession = Annotated[BrowserSession, Depends(BrowserSession)]
