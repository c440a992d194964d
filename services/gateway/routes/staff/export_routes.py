"""A department's work list as a file or a page to print: what is listed, by the same filters. Audited."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from fastapi import APIRouter, Response

from services.gateway.routes.dependencies import StaffAuditTable, WorkLists
from services.gateway.routes.staff.current_office import CurrentOffice, Office
from services.gateway.routes.staff.work_list_pages import CurrentFilters
from services.gateway.staff.lists.list_export import XLSX_TYPE, Row, csv_answer, xlsx_file
from services.gateway.staff.lists.list_view import reason_options, reason_words
from services.gateway.staff.lists.work_list import Filters, WorkListReader

router = APIRouter(include_in_schema=False)
_MAX_PRINTED: Final = 3_000
_COLUMNS: Final = (
    "student.student_id",
    "student.name",
    "student.college",
    "student.major",
    "staff.cohort",
    "staff.reason",
    "staff.since",
)


@router.get("/staff/{department}/list.csv")
async def as_csv(office: CurrentOffice, lists: WorkLists, chosen: CurrentFilters, audit: StaffAuditTable) -> Response:
    await _log(office, chosen, audit)
    return await csv_answer(_heading(office), _rows(office, lists, chosen), _named(office, "csv"))


@router.get("/staff/{department}/list.xlsx")
async def as_xlsx(office: CurrentOffice, lists: WorkLists, chosen: CurrentFilters, audit: StaffAuditTable) -> Response:
    await _log(office, chosen, audit)
    rows = [row async for row in _rows(office, lists, chosen)]
    title = office.context.texts.of(office.department.title)
    file = await asyncio.to_thread(xlsx_file, title, _heading(office), rows)
    return Response(file, media_type=XLSX_TYPE, headers=_named(office, "xlsx"))


@router.get("/staff/{department}/list.print")
async def to_print(office: CurrentOffice, lists: WorkLists, chosen: CurrentFilters, audit: StaffAuditTable) -> Response:
    """A page of paper holds about thirty: of more than `_MAX_PRINTED` the first."""
    await _log(office, chosen, audit)
    rows: list[Row] = []
    async with aclosing(_rows(office, lists, chosen)) as listed:
        async for row in listed:
            if len(rows) > _MAX_PRINTED:
                break
            rows.append(row)
    texts = office.context.texts
    reason = next((words for value, words in reason_options(texts, office.department) if value == chosen.reason), "")
    comments = texts("staff.comments_waiting") if chosen.comment else ""
    return office.page(
        "staff_print.html",
        heading=_heading(office),
        rows=rows[:_MAX_PRINTED],
        most=_MAX_PRINTED if len(rows) > _MAX_PRINTED else 0,
        chosen=[one for one in (chosen.college, chosen.cohort, reason, comments) if one],
        at=office.context.local_time(office.context.now),
        query=chosen.query,
    )


async def _rows(office: Office, lists: WorkListReader, chosen: Filters) -> AsyncGenerator[Row]:
    texts = office.context.texts
    commented = await office.comments.open_at(office.department.name) if chosen.comment else {}
    async for one in lists.everybody(office.department.name, chosen, commented=commented):
        reasons = texts.joined(reason_words(texts, office.department, one.codes))
        since = office.context.campus_time(one.since)
        yield one.student_id, one.name, one.college, one.major, one.cohort, reasons, since


def _heading(office: Office) -> Row:
    return [office.context.texts(key) for key in _COLUMNS]


def _named(office: Office, kind: str) -> dict[str, str]:
    name = f"{office.department.name}-{office.context.local_day.isoformat()}.{kind}"
    return {"Content-Disposition": f'attachment; filename="{name}"'}


async def _log(office: Office, chosen: Filters, audit: StaffAuditTable) -> None:
    await audit.list_exported(office.staff.session.account, office.department.name, chosen.named())
