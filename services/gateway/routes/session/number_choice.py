"""The choice of a person with several student numbers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from schemas.events import CaseState
from services.gateway.identity.identity import Identity
from services.gateway.read_model.students import ReadModel, ReadModelError
from services.gateway.read_model.types import Case
from services.gateway.routes.dependencies import Choices, Language, Pages, SignInRequired, Students
from services.gateway.routes.session.session_start import CurrentSession, StaffRoles, redirect_home
from services.gateway.tables.number_choices import LIFE_S
from services.gateway.web.cookies import NUMBER_CHOICE_COOKIE, drop_cookie, set_cookie
from services.gateway.web.csrf import CsrfFields, check_csrf
from services.kit.http.problems import Problem

ADDRESS: Final = "/sign-in/number"

router = APIRouter(include_in_schema=False)


class _Chosen(CsrfFields):
    student_id: Annotated[str, Field(max_length=64)] = ""


class Chooser:
    def __init__(self, browser: CurrentSession, choices: Choices, students: Students, roles: StaffRoles) -> None:
        self._browser = browser
        self._choices = choices
        self._students = students
        self._roles = roles

    async def enter(self, identity: Identity, destination: str) -> Response:
        """Start the session of the one number on the roster, else let the person choose."""
        listed = list(await _cases(self._students, identity.student_ids))
        if len(listed) == 1:
            return await self._browser.start(identity, listed[0], destination)
        choice_id = await self._choices.start(
            issuer=identity.issuer,
            subject=identity.subject,
            authenticated_at=identity.authenticated_at,
            roles=self._roles.among(identity.roles),
            student_ids=identity.student_ids,
            destination=destination,
            sid=identity.sid,
            id_token=identity.id_token,
        )
        response = RedirectResponse(ADDRESS, 303)
        set_cookie(response, NUMBER_CHOICE_COOKIE, choice_id, LIFE_S)
        # Another person's session may be open in this browser.
        await self._browser.end(response)
        return response


NumberChooser = Annotated[Chooser, Depends(Chooser)]


@router.get(ADDRESS)
async def choose(
    request: Request, browser: CurrentSession, choices: Choices, students: Students, pages: Pages, texts: Language
) -> Response:
    choice = await choices.find(request.cookies.get(NUMBER_CHOICE_COOKIE))
    if choice is None:
        return await _without_choice(browser)
    cases = await _cases(students, choice.student_ids)
    return pages.page(
        "number_choice.html",
        texts,
        session=None,
        back=ADDRESS,
        csrf=choice.csrf,
        numbers=[(student_id, cases.get(student_id)) for student_id in choice.student_ids],
    )


@router.post(ADDRESS)
async def chosen(
    request: Request, browser: CurrentSession, choices: Choices, form: Annotated[_Chosen, Form()]
) -> Response:
    choice = await choices.find(request.cookies.get(NUMBER_CHOICE_COOKIE))
    if choice is None:
        return await _without_choice(browser)
    check_csrf(choice, form.csrf)
    if form.student_id not in choice.student_ids:
        raise Problem(
            403, "not-your-number", title="Not one of your numbers", detail="Choose one of the numbers on the page."
        )
    if not await choices.end(choice.id_hash):
        return await _without_choice(browser)
    response = await browser.start(choice, form.student_id, choice.destination)
    drop_cookie(response, NUMBER_CHOICE_COOKIE)
    return response


async def _without_choice(browser: CurrentSession) -> Response:
    session = await browser.find()
    if session is None:
        raise SignInRequired
    return redirect_home(session)


async def _cases(students: ReadModel, student_ids: Sequence[str]) -> Mapping[str, Case]:
    """Of those on the roster; none while it cannot be read."""
    try:
        snapshots = await students.many(student_ids)
    except ReadModelError:
        return {}
    cases = ((student_id, snapshot.case) for student_id, snapshot in snapshots.items())
    return {student_id: case for student_id, case in cases if case and case.state is not CaseState.CLOSED}
