"""How far those who leave are: for the graduate school, and for each college its own students."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Response
from pydantic import Field

from services.gateway.case.wording import ViewContext
from services.gateway.routes.dependencies import (
    Context,
    CurrentSite,
    PageForbidden,
    Pages,
    Person,
    Progress,
    ReminderService,
    StaffAuditTable,
    StaffPeopleTable,
)
from services.gateway.staff.lists.list_export import XLSX_TYPE, Row, csv_answer, xlsx_file
from services.gateway.staff.progress import Chosen, Leaving, OpenCheck, Overview, ProgressReader, Scope, State, scope_of
from services.gateway.tables.sessions.session import Session
from services.gateway.tables.staff_audit import StaffAudit
from services.gateway.web.csrf import CsrfFields, check_csrf
from services.gateway.web.renderer import Renderer
from services.kit.manifests import CheckManifest, DepartmentManifest

router = APIRouter(include_in_schema=False)
AREA: Final = "progress"
_WALL_REFRESH_S: Final = 30
_WALL_CHECKS: Final = 6
_Filter = Annotated[str, Query(max_length=200)]
_COLUMNS: Final = (
    "student.student_id",
    "student.name",
    "student.college",
    "student.major",
    "staff.cohort",
    "progress.open_at",
    "progress.submitted_at",
)


@dataclass(frozen=True, slots=True)
class Viewer:
    """A member of staff, and whom they may see."""

    session: Session
    scope: Scope
    name: str
    departments: dict[str, DepartmentManifest]
    context: ViewContext
    pages: Renderer
    reader: ProgressReader
    audit: StaffAudit
    can_remind: bool

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        return self.pages.page(
            template, self.context.texts, session=self.session, back="/progress", status=status, viewer=self, **values
        )

    @property
    def person(self) -> str:
        """As audits of other services name them."""
        account = self.session.account
        return self.name if self.name == account else f"{self.name} ({account})"

    def titles(self, departments: tuple[str, ...]) -> tuple[str, ...]:
        """Of those that this installation has: the view may have rows of others."""
        known = (self.departments[name] for name in departments if name in self.departments)
        return tuple(self.context.texts.of(one.title) for one in known)


async def viewer(
    person: Person,
    site: CurrentSite,
    people: StaffPeopleTable,
    context: Context,
    pages: Pages,
    reader: Progress,
    audit: StaffAuditTable,
    reminders: ReminderService,
) -> Viewer:
    """Raises `PageForbidden`."""
    scope = scope_of(person.roles)
    if scope is None:
        raise PageForbidden(person, "progress")
    name = await people.name_of(person.account)
    departments, can_remind = dict(site.departments), reminders.is_configured
    return Viewer(person, scope, name, departments, context, pages, reader, audit, can_remind)


def chosen(college: _Filter = "", cohort: _Filter = "", state: State = "") -> Chosen:
    return Chosen(college, cohort, state)


CurrentViewer = Annotated[Viewer, Depends(viewer)]
CurrentChoice = Annotated[Chosen, Depends(chosen)]


class _After(CsrfFields):
    college: Annotated[str, Field(max_length=200)] = ""
    cohort: Annotated[str, Field(max_length=200)] = ""
    state: State = ""
    after: Annotated[str, Field(max_length=64)]


@router.get("/progress")
async def overview(viewer: CurrentViewer, choice: CurrentChoice) -> Response:
    found = await _overview(viewer, choice)
    return viewer.page(
        "progress.html",
        choice=choice,
        cohorts=[(name, name) for name in await viewer.reader.cohorts()],
        overview=found,
        checks=_checks(viewer, found),
    )


@router.get("/progress/wall")
async def wall(viewer: CurrentViewer, choice: CurrentChoice) -> Response:
    """For a screen that many pass: figures, and nobody's name. It loads itself again, without a script."""
    found = await _overview(viewer, choice)
    page = viewer.page(
        "progress_wall.html", choice=choice, overview=found, checks=_checks(viewer, found)[:_WALL_CHECKS]
    )
    page.headers["Refresh"] = str(_WALL_REFRESH_S)
    return page


async def _overview(viewer: Viewer, choice: Chosen) -> Overview:
    context = viewer.context
    today = datetime.combine(context.local_day, time(), context.on_campus(context.now).tzinfo).astimezone(UTC)
    return await viewer.reader.overview(viewer.scope, choice.cohort, today)


def _checks(viewer: Viewer, found: Overview) -> list[tuple[DepartmentManifest, CheckManifest | None, OpenCheck, int]]:
    """With the days that half of the students have waited."""
    return [
        (
            viewer.departments[one.department],
            next((each for each in viewer.departments[one.department].checks if each.name == one.check), None),
            one,
            (viewer.context.now - one.median).days,
        )
        for one in found.checks
        if one.department in viewer.departments
    ]


@router.get("/progress/students")
async def first_page(viewer: CurrentViewer, choice: CurrentChoice) -> Response:
    return await _list(viewer, choice)


@router.post("/progress/students")
async def next_page(viewer: CurrentViewer, form: Annotated[_After, Form()]) -> Response:
    check_csrf(viewer.session, form.csrf)
    return await _list(viewer, Chosen(form.college, form.cohort, form.state), form.after)


@router.get("/progress/students.csv")
async def as_csv(viewer: CurrentViewer, choice: CurrentChoice) -> Response:
    await viewer.audit.list_exported(viewer.session.account, AREA, choice.named())
    return await csv_answer(_heading(viewer), _rows(viewer, choice), _named(viewer, "csv"))


@router.get("/progress/students.xlsx")
async def as_xlsx(viewer: CurrentViewer, choice: CurrentChoice) -> Response:
    await viewer.audit.list_exported(viewer.session.account, AREA, choice.named())
    rows = [row async for row in _rows(viewer, choice)]
    file = await asyncio.to_thread(xlsx_file, viewer.context.texts("progress.title"), _heading(viewer), rows)
    return Response(file, media_type=XLSX_TYPE, headers=_named(viewer, "xlsx"))


async def _list(viewer: Viewer, choice: Chosen, after: str = "") -> Response:
    await viewer.audit.listed(viewer.session.account, AREA, choice.named())
    students, more = await viewer.reader.students(viewer.scope, choice, after)
    return viewer.page(
        "progress_students.html",
        choice=choice,
        cohorts=[(name, name) for name in await viewer.reader.cohorts()],
        students=[(one, viewer.titles(one.departments)) for one in students],
        first=not after,
        next=students[-1].student_id if more else "",
    )


async def _rows(viewer: Viewer, choice: Chosen) -> AsyncIterator[Row]:
    async for one in viewer.reader.everybody(viewer.scope, choice):
        yield _cells(viewer, one)


def _cells(viewer: Viewer, one: Leaving) -> Row:
    texts = viewer.context.texts
    at = viewer.context.campus_time(one.accepted_at) if one.accepted_at else ""
    return (
        one.student_id,
        one.name,
        one.college,
        one.major,
        one.cohort,
        texts.joined(viewer.titles(one.departments)),
        at,
    )


def _heading(viewer: Viewer) -> Row:
    return [viewer.context.texts(key) for key in _COLUMNS]


def _named(viewer: Viewer, kind: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="progress-{viewer.context.local_day.isoformat()}.{kind}"'}
