"""A department's work list: who is open there, why and since when. What names a student is sent by POST."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from schemas.types import Instant
from services.gateway.routes.dependencies import Context, Pages, WorkLists
from services.gateway.routes.staff.current_office import CurrentOffice, CurrentStaff, Office
from services.gateway.staff.desk.desk_client import DeskUnavailable
from services.gateway.staff.desk.operation_form import OperationView, Typed
from services.gateway.staff.desk.record_view import item_forms
from services.gateway.staff.lists.list_view import reason_options, student_lines
from services.gateway.staff.lists.work_list import MAX_COUNT, After, Commented, Filters, Sort
from services.gateway.web.csrf import CsrfFields

router = APIRouter(include_in_schema=False)
_Filter = Annotated[str, Query(max_length=200)]


def filters(
    college: _Filter = "", cohort: _Filter = "", reason: _Filter = "", sort: Sort = "since", comment: Commented = ""
) -> Filters:
    return Filters(college, cohort, reason, sort, comment)


CurrentFilters = Annotated[Filters, Depends(filters)]


class _After(CsrfFields):
    college: Annotated[str, Field(max_length=200)] = ""
    cohort: Annotated[str, Field(max_length=200)] = ""
    reason: Annotated[str, Field(max_length=200)] = ""
    sort: Sort = "since"
    comment: Commented = ""
    after: Annotated[str, Field(max_length=64)]
    since: Instant


@router.get("/staff")
async def desks(staff: CurrentStaff, pages: Pages, context: Context) -> Response:
    if len(staff.offices) == 1:
        return RedirectResponse(f"/staff/{staff.offices[0].name}", 303)
    return pages.page("staff_desks.html", context.texts, session=staff.session, back="/staff", offices=staff.offices)


@router.get("/staff/{department}")
async def first_page(office: CurrentOffice, lists: WorkLists, chosen: CurrentFilters) -> Response:
    return await list_page(office, lists, chosen)


@router.post("/staff/{department}")
async def next_page(office: CurrentOffice, lists: WorkLists, form: Annotated[_After, Form()]) -> Response:
    office.check_csrf(form.csrf)
    chosen = Filters(form.college, form.cohort, form.reason, form.sort, form.comment)
    return await list_page(office, lists, chosen, After(form.after, form.since))


async def list_page(
    office: Office,
    lists: WorkLists,
    chosen: Filters,
    after: After | None = None,
    *,
    typed: Typed | None = None,
    status: int = 200,
) -> Response:
    """`typed`: a form beside the list that was not done."""
    name = office.department.name
    await office.audit.listed(office.staff.session.account, name, chosen.named())
    commented = await office.comments.open_at(name)
    students, more = await lists.page(name, chosen, after, commented=commented)
    choices = await lists.choices(name)
    count = await lists.count(name, chosen, commented=commented)
    forms, away = await _item_forms(office, typed)
    return office.page(
        "staff_list.html",
        status=status,
        filters=chosen,
        first=after is None,
        lines=student_lines(office.context, office.department, students, commented),
        next=students[-1] if more else None,
        count=f"{count}+" if count == MAX_COUNT else str(count),
        choices=choices,
        # What is chosen may be newer than the choices.
        pairs=lambda names, chosen: [(name, name) for name in sorted({*names, chosen} - {""})],
        reasons=reason_options(office.context.texts, office.department),
        commented=len(commented),
        item_forms=forms,
        away=away,
    )


async def _item_forms(office: Office, typed: Typed | None) -> tuple[tuple[OperationView, ...], bool]:
    try:
        operations = await office.desk.operations(office.person)
    except DeskUnavailable:
        return (), True
    return item_forms(office.context, office.department, operations, typed), False
