"""From where reminders are sent: a department's work list, or the progress of those whom a viewer may see."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Depends, Form, Response
from pydantic import Field

from schemas.student_ids import canonical_student_id
from services.gateway.case.wording import ViewContext
from services.gateway.routes.dependencies import WorkLists
from services.gateway.routes.staff.current_office import CurrentOffice
from services.gateway.routes.staff.progress_pages import AREA, CurrentViewer
from services.gateway.staff.lists.list_view import reason_options
from services.gateway.staff.lists.work_list import Commented, Filters
from services.gateway.staff.progress import Chosen, State
from services.gateway.staff.reminders.client import MAX_STUDENTS
from services.gateway.tables.reminders import Press
from services.gateway.tables.sessions.session import Session
from services.gateway.web.csrf import CsrfFields

MAX_PICKED: Final = 200
Whom = Literal["picked", "listed"]
_Words = Annotated[str, Field(max_length=200)]


class ReminderForm(CsrfFields):
    """The filters of a list, or who was picked from it. `seen`: how many the preview had; empty before one."""

    whom: Whom = "listed"
    pick: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=MAX_PICKED)] = ()
    college: _Words = ""
    cohort: _Words = ""
    reason: _Words = ""
    comment: Commented = ""
    state: State = ""
    key: Annotated[str, Field(max_length=36)] = ""
    seen: Annotated[str, Field(pattern=r"^[0-9]{0,6}$")] = ""

    @property
    def picked(self) -> tuple[str, ...]:
        """Each number once; what is no student's is left out."""
        numbers = map(canonical_student_id, self.pick)
        return tuple(dict.fromkeys(number for number in numbers if number is not None))

    @property
    def filters(self) -> Filters:
        return Filters(self.college, self.cohort, self.reason, comment=self.comment)

    @property
    def chosen(self) -> Chosen:
        return Chosen(self.college, self.cohort, self.state)

    def again(self) -> list[tuple[str, str]]:
        """Hidden fields that mean the same students."""
        if self.whom == "picked":
            return [("whom", "picked"), *(("pick", one) for one in self.picked)]
        named = {**self.filters.named(), "state": self.state}
        return [("whom", "listed"), *((name, value) for name, value in named.items() if value)]

    def named(self) -> dict[str, str]:
        """For the audit and for whoever looks at it later: names no student."""
        if self.whom == "picked":
            return {"picked": str(len(self.picked))}
        return {name: value for name, value in self.again() if name != "whom"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`colleges`: whom the sender may see, None for all; `department` is empty for every one's lines."""

    area: str
    department: str
    colleges: tuple[str, ...] | None
    session: Session
    person: str
    address: str
    list_address: str
    layout: str
    context: ViewContext
    page: Callable[..., Response]
    look_up: Callable[[Sequence[str]], Awaitable[None]]
    listed: Callable[[ReminderForm], Awaitable[Sequence[str]]]
    """Student numbers, one more than `MAX_STUDENTS` if there are more."""
    reasons: Mapping[str, str]
    """Their words, of the filter."""

    def owns(self, press: Press) -> bool:
        if press.area != self.area:
            return False
        return self.colleges is None or (press.colleges is not None and set(press.colleges) <= set(self.colleges))


async def at_office(office: CurrentOffice, lists: WorkLists) -> Place:
    name = office.department.name

    async def listed(form: ReminderForm) -> Sequence[str]:
        if form.whom == "picked":
            return form.picked
        commented = await office.comments.open_at(name) if form.comment else {}
        found, more = await lists.page(name, form.filters, None, MAX_STUDENTS, commented=commented)
        return [one.student_id for one in found] + [""] * more

    async def look_up(students: Sequence[str]) -> None:
        await office.look_up(*students)

    return Place(
        area=name,
        department=name,
        colleges=None,
        session=office.session,
        person=office.person,
        address=office.address,
        list_address=office.address,
        layout=office.layout,
        context=office.context,
        page=office.page,
        look_up=look_up,
        listed=listed,
        reasons=dict(reason_options(office.context.texts, office.department)),
    )


async def at_progress(viewer: CurrentViewer) -> Place:
    async def listed(form: ReminderForm) -> Sequence[str]:
        if form.whom == "picked":
            return await viewer.reader.within(viewer.scope, form.picked)
        if form.state == "completed":
            return ()
        still = Chosen(form.college, form.cohort, "open")
        found, more = await viewer.reader.students(viewer.scope, still, limit=MAX_STUDENTS)
        return [one.student_id for one in found] + [""] * more

    async def look_up(students: Sequence[str]) -> None:
        await viewer.audit.looked_up(viewer.session.account, AREA, students)

    return Place(
        area=AREA,
        department="",
        colleges=viewer.scope.colleges,
        session=viewer.session,
        person=viewer.person,
        address="/progress",
        list_address="/progress/students",
        layout="progress_base.html",
        context=viewer.context,
        page=viewer.page,
        look_up=look_up,
        listed=listed,
        reasons={},
    )


AtOffice = Annotated[Place, Depends(at_office)]
AtProgress = Annotated[Place, Depends(at_progress)]
SentReminder = Annotated[ReminderForm, Form()]
