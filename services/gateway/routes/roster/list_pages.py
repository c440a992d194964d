"""The roster: listed by filter and in pages, searched, and taken as a file. What names a student is sent by POST."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Form, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from services.gateway.routes.dependencies import RosterLists
from services.gateway.routes.roster.entry_pages import entry_page, hits_page
from services.gateway.routes.roster.roster_office import AREA, CurrentRoster, RosterOffice
from services.gateway.staff.lists.list_export import XLSX_TYPE, Row, csv_answer, xlsx_file
from services.gateway.staff.roster.listing import STATES, RosterEntry, RosterFilters, RosterReader, State
from services.gateway.typed_names import may_be_name, typed_name
from services.gateway.web.csrf import CsrfFields
from services.kit.student_numbers import student_number

router = APIRouter(include_in_schema=False)
_Filter = Annotated[str, Query(max_length=200)]
_COLUMNS: Final = (
    "student.student_id",
    "student.name",
    "student.college",
    "student.major",
    "staff.cohort",
    "student.leave_category",
    "roster_page.state",
)


def filters(college: _Filter = "", cohort: _Filter = "", state: State | Literal[""] = "") -> RosterFilters:
    return RosterFilters(college, cohort, state)


CurrentFilters = Annotated[RosterFilters, Depends(filters)]


class _After(CsrfFields):
    college: Annotated[str, Field(max_length=200)] = ""
    cohort: Annotated[str, Field(max_length=200)] = ""
    state: State | Literal[""] = ""
    after: Annotated[str, Field(max_length=64)]


class _Search(CsrfFields):
    q: Annotated[str, Field(max_length=200)] = ""


@router.get("/roster")
async def first_page(office: CurrentRoster, lists: RosterLists, chosen: CurrentFilters) -> Response:
    return await _list(office, lists, chosen)


@router.post("/roster")
async def next_page(office: CurrentRoster, lists: RosterLists, form: Annotated[_After, Form()]) -> Response:
    office.check_csrf(form.csrf)
    return await _list(office, lists, RosterFilters(form.college, form.cohort, form.state), form.after)


@router.post("/roster/student")
async def search(office: CurrentRoster, lists: RosterLists, form: Annotated[_Search, Form()]) -> Response:
    """By number, else by the beginning of a name."""
    office.check_csrf(form.csrf)
    text = typed_name(form.q)
    number = student_number(text) if any(one.isdigit() for one in text) else None
    if number is not None:
        return await entry_page(office, number)
    hits, more = await lists.named(text) if may_be_name(text) else ((), False)
    if len(hits) == 1:
        return await entry_page(office, hits[0].student_id)
    return await hits_page(office, hits, more=more, text=text)


@router.get("/roster/list.csv")
async def as_csv(office: CurrentRoster, lists: RosterLists, chosen: CurrentFilters) -> Response:
    await office.audit.list_exported(office.session.account, AREA, chosen.named())
    return await csv_answer(_heading(office), _rows(office, lists, chosen), _named(office, "csv"))


@router.get("/roster/list.xlsx")
async def as_xlsx(office: CurrentRoster, lists: RosterLists, chosen: CurrentFilters) -> Response:
    await office.audit.list_exported(office.session.account, AREA, chosen.named())
    rows = [row async for row in _rows(office, lists, chosen)]
    file = await asyncio.to_thread(xlsx_file, office.context.texts("roster_page.title"), _heading(office), rows)
    return Response(file, media_type=XLSX_TYPE, headers=_named(office, "xlsx"))


@router.get("/roster/student")
@router.get("/roster/change")
async def from_the_start(office: CurrentRoster) -> Response:
    """After a change of language, or a reload without its form."""
    return RedirectResponse(office.address, 303)


async def _list(office: RosterOffice, lists: RosterReader, chosen: RosterFilters, after: str = "") -> Response:
    await office.audit.listed(office.session.account, AREA, chosen.named())
    entries, more = await lists.page(chosen, after)
    counts = await lists.counts(chosen)
    colleges, cohorts = await lists.choices()
    texts = office.context.texts
    states = [(one, f"{texts(f'roster_page.state_{one}')} ({counts.get(one, 0)})") for one in STATES]
    return office.page(
        "roster_list.html",
        filters=chosen,
        entries=entries,
        count=counts.get(chosen.state, 0) if chosen.state else sum(counts.values()),
        states=states,
        colleges=[(one, one) for one in colleges],
        cohorts=[(one, one) for one in cohorts],
        first=not after,
        next=entries[-1].student_id if more else "",
    )


async def _rows(office: RosterOffice, lists: RosterReader, chosen: RosterFilters) -> AsyncIterator[Row]:
    async for one in lists.everybody(chosen):
        yield _cells(office, one)


def _cells(office: RosterOffice, one: RosterEntry) -> Row:
    state = office.context.texts(f"roster_page.state_{one.state}")
    return one.student_id, one.name, one.college, one.major, one.cohort, one.leave_category, state


def _heading(office: RosterOffice) -> Row:
    return [office.context.texts(key) for key in _COLUMNS]


def _named(office: RosterOffice, kind: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="roster-{office.context.local_day.isoformat()}.{kind}"'}
