"""The HTTP of an import: send a file, watch it, read what became of each row. No row's content is ever in a URL."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from services.kit.http.auth import Principal, require
from services.kit.http.problems import Problem
from services.kit.imports import job_store
from services.kit.imports.columns import Unimportable
from services.kit.imports.export import rejected_csv
from services.kit.imports.formats import MAX_FILE_BYTES, MEDIA_TYPES, Format, format_of
from services.kit.imports.job_store import Job, RowResult, RowState
from services.kit.imports.spec import ImportSpec
from services.kit.imports.upload import Staging
from services.kit.messaging.outbox import Wakeup

_ENVELOPE_BYTES: Final = 64 * 1024
"""What a multipart form may add to the file."""
After = Annotated[int, Query(ge=0, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=1000)]


class Jobs(BaseModel):
    """The newest imports first. `next_before` is the `before` of the next page."""

    model_config = ConfigDict(frozen=True)

    jobs: tuple[Job, ...]
    next_before: int | None


class Rows(BaseModel):
    """Results of rows in their order. `next_after` is the `after` of the next page."""

    model_config = ConfigDict(frozen=True)

    rows: tuple[RowResult, ...]
    next_after: int | None = Field(description="None when there are no more.")


def imports_router(
    spec: ImportSpec[Any],
    pool: "asyncpg.Pool[Any]",
    wake: Wakeup,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> APIRouter:
    """All routes of one import, for credentials with `spec.role`. `wake` is the bell of its `ImportWorker`."""
    router = APIRouter(tags=["import"])
    staff = require(spec.role)
    staging = Staging(spec, pool, clock)

    @router.post(
        "/imports",
        status_code=202,
        response_model=Job,
        operation_id="import",
        summary="Send a file of rows",
        description=_about(spec),
        max_body_size=MAX_FILE_BYTES + _ENVELOPE_BYTES,
        openapi_extra={"requestBody": {"required": True, "content": _BODIES}},
    )
    async def send(request: Request, response: Response, principal: Annotated[Principal, Depends(staff)]) -> Job:
        try:
            kind, data = await _file(request)
            job = await staging.take(kind, data, principal.name)
        except Unimportable as wrong:
            raise _problem(wrong) from None
        wake.ring()
        response.headers["Location"] = f"{request.url.path.rstrip('/')}/{job.job_id}"
        return job

    _add_reading(router, spec, pool, staff)
    return router


def _add_reading(
    router: APIRouter, spec: ImportSpec[Any], pool: "asyncpg.Pool[Any]", staff: Callable[..., Any]
) -> None:
    protected = [Depends(staff)]

    async def known(job_id: UUID) -> Job:
        async with pool.acquire() as connection:
            job = await job_store.find(connection, spec.kind, job_id)
        if job is None:
            detail = "GET /imports lists the jobs there are; a finished one is kept for 90 days."
            raise Problem(404, "unknown-job", title="There is no such import", detail=detail)
        return job

    Known = Annotated[Job, Depends(known)]

    @router.get("/imports", dependencies=protected, operation_id="imports", summary="The latest imports")
    async def jobs(
        before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None, limit: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> Jobs:
        async with pool.acquire() as connection:
            found, more = await job_store.latest(connection, spec.kind, before=before, limit=limit)
        return Jobs(jobs=tuple(found), next_before=more)

    @router.get("/imports/{job_id}", dependencies=protected, operation_id="import-job", summary="How far an import is")
    async def job(job: Known) -> Job:
        return job

    @router.get(
        "/imports/{job_id}/rows", dependencies=protected, operation_id="import-rows", summary="What became of each row"
    )
    async def rows(job: Known, state: RowState | None = None, after: After = 0, limit: Limit = 100) -> Rows:
        async with pool.acquire() as connection:
            found = await job_store.results(connection, job.job_id, state=state, after=after, limit=limit + 1)
        page = tuple(found[:limit])
        return Rows(rows=page, next_after=page[-1].row if len(found) > limit else None)

    @router.get(
        "/imports/{job_id}/rows.csv",
        dependencies=protected,
        operation_id="import-rejected",
        summary="The rejected rows with their reasons, to correct and send again",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    async def export(job: Known) -> StreamingResponse:
        headers = {"Content-Disposition": f'attachment; filename="rejected-{job.job_id}.csv"'}
        return StreamingResponse(
            rejected_csv(pool, job.job_id, list(spec.row.model_fields)), headers=headers, media_type="text/csv"
        )


async def _file(request: Request) -> tuple[Format, bytes]:
    """The file of a request: the one part of a form that is a file, or the whole body."""
    media_type = request.headers.get("content-type", "")
    if media_type.partition(";")[0].strip().lower() != "multipart/form-data":
        kind = format_of(media_type, None)
        return kind, await request.body()
    async with request.form(max_files=1, max_fields=4) as form:
        parts = [value for value in form.values() if isinstance(value, UploadFile)]
        if not parts:
            remedy = "Send one part with a filename, for example curl -F file=@rows.csv, or the file as the body."
            raise Unimportable("no-file", "The form has no file in it", remedy)
        return format_of(parts[0].content_type, parts[0].filename), await parts[0].read()


def _problem(wrong: Unimportable) -> Problem:
    headers = {"Retry-After": "30"} if wrong.status == 429 else None
    return Problem(
        wrong.status,
        wrong.slug,
        title=wrong.title,
        detail=wrong.remedy,
        errors=[{"field": e["field"], "problem": e["problem"], "remedy": e["remedy"]} for e in wrong.errors],
        headers=headers,
    )


_BODIES: Final[dict[str, Any]] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary"}},
        }
    },
    **{media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES},
}


def _about(spec: ImportSpec[Any]) -> str:
    return (
        "CSV (comma, semicolon or tab; UTF-8 or GB18030; headings in the first row), XLSX (the first sheet; values, no "
        "formulas) or JSON lines (UTF-8). At most 20 MB and 200 000 rows. Good rows are applied, each whole or not at "
        "all; bad ones are named with the reason under `/imports/{job_id}/rows?state=rejected`. The same file sent "
        "again while it is being worked on is the same job; sent later, its rows are all `unchanged`.\n\n"
        f"Columns: {'; '.join(spec.columns.known)}. Required: {', '.join(spec.columns.required)}."
    )
