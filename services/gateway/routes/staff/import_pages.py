"""Files of rows: sent, tried first without an effect, followed while they are read, and what was refused."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

from services.gateway.routes.staff.current_office import office
from services.gateway.routes.staff.workplace import Workplace
from services.gateway.staff.desk.desk_client import DeskRefused
from services.gateway.staff.desk.desk_imports import DeskImports, SentFile
from services.gateway.staff.desk.import_answers import ImportPreview
from services.gateway.staff.lists.list_export import CSV_TYPE
from services.kit.http.problems import Problem
from services.kit.imports.requests import MAX_BODY_BYTES

_MAX_FIELDS: Final = 4
_MAX_COVERS: Final = 100
_MAX_JOB_NUMBER: Final = 2**63 - 1
_MAX_ROW: Final = 2**31 - 1
PreviousPage = Annotated[int | None, Query(ge=1, le=_MAX_JOB_NUMBER)]


def import_routes(address: str, workplace: Callable[..., Awaitable[Workplace]]) -> APIRouter:
    """Of a workplace: a department's desk, or the roster. `workplace`: a dependency."""
    router = APIRouter(include_in_schema=False)
    Here = Annotated[Workplace, Depends(workplace)]

    @router.get(f"{address}/imports")
    async def jobs(office: Here, before: PreviousPage = None) -> Response:
        return await _jobs(office, before)

    @router.post(f"{address}/imports", max_body_size=MAX_BODY_BYTES)
    async def start(request: Request, office: Here) -> Response:
        async def started(file: SentFile) -> Response:
            job = await _imports(office).start(file)
            return RedirectResponse(f"{office.address}/imports/{job.job_id}", 303)

        return await _with_file(request, office, started)

    @router.post(f"{address}/imports/preview", max_body_size=MAX_BODY_BYTES)
    async def preview(request: Request, office: Here) -> Response:
        """In a tab of its own: the file stays chosen in the one before."""

        async def tried(file: SentFile) -> Response:
            return _preview(office, file, await _imports(office).preview(file))

        return await _with_file(request, office, tried)

    @router.get(f"{address}/imports/{{job_id}}")
    async def job(office: Here, job_id: UUID, after: Annotated[int, Query(ge=0, le=_MAX_ROW)] = 0) -> Response:
        try:
            found = await _imports(office).job(job_id)
            rejected = await _imports(office).rejected(job_id, after) if found.rejected else None
        except DeskRefused:
            raise _unknown() from None
        return office.page("staff_import_job.html", job=found, rejected=rejected, first=after == 0)

    @router.get(f"{address}/imports/{{job_id}}/rejected.csv")
    async def rejected_file(office: Here, job_id: UUID) -> Response:
        try:
            answer = await _imports(office).rejected_file(job_id)
        except DeskRefused:
            raise _unknown() from None
        headers = {"Content-Disposition": f'attachment; filename="rejected-{job_id}.csv"'}
        return Response(answer.content, media_type=CSV_TYPE, headers=headers)

    return router


router: Final = import_routes("/staff/{department}", office)


def _preview(office: Workplace, file: SentFile, preview: ImportPreview) -> Response:
    shown = sorted((*preview.rows, *preview.rejected_rows), key=lambda one: one.row)
    columns = list(dict.fromkeys(name for one in shown for name in one.fields))
    return office.page("staff_import_preview.html", preview=preview, rows=shown, columns=columns, file=file.name)


async def _with_file(request: Request, office: Workplace, act: Callable[[SentFile], Awaitable[Response]]) -> Response:
    """What is refused is said above the form."""
    file = await _file(request, office)
    if not file.name:
        return await _jobs(office, covers=file.covers, error=office.context.texts("staff.import_no_file"))
    try:
        return await act(file)
    except DeskRefused as refused:
        return await _jobs(office, covers=file.covers, refused=refused)


async def _jobs(
    office: Workplace,
    before: int | None = None,
    *,
    covers: str = "",
    error: str = "",
    refused: DeskRefused | None = None,
) -> Response:
    """`covers`: as it was typed with a file that was not taken."""
    found = await _imports(office).latest(before)
    return office.page(
        "staff_imports.html",
        status=422 if error or refused else 200,
        jobs=found.jobs,
        next=found.next_before,
        first=before is None,
        covers=covers,
        error=error,
        refused=refused,
    )


def _imports(office: Workplace) -> DeskImports:
    return DeskImports(office.desk, office.person)


async def _file(request: Request, office: Workplace) -> SentFile:
    """Without a name if none was chosen. Raises a 403 or a 422 `Problem`."""
    async with request.form(max_files=1, max_fields=_MAX_FIELDS) as form:
        values: dict[str, Any] = dict(form)
        office.check_csrf(str(values.get("csrf", "")))
        covers, file = str(values.get("covers", "")).strip(), values.get("file")
        if len(covers) > _MAX_COVERS or not covers.isprintable():
            raise Problem(422, "invalid-request", title="The request has wrong or missing fields")
        if not isinstance(file, UploadFile) or not file.filename:
            return SentFile("", b"", "", covers)
        return SentFile(file.filename, await file.read(), file.content_type or "", covers)


def _unknown() -> Problem:
    return Problem(404, "unknown-job", title="No such import")
