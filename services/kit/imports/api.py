"""The HTTP API of an import: upload a file, follow its job, read the result of each row."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from services.kit.audit.log import append_look_up
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import FieldProblem, Problem, problem_responses
from services.kit.http.requests.instants import require_past
from services.kit.imports import job_store
from services.kit.imports.export import rejected_csv
from services.kit.imports.files.problems import Unimportable
from services.kit.imports.job_store import Job
from services.kit.imports.preview.api import preview_router
from services.kit.imports.requests import MAX_BODY_BYTES, FileAsOf, SourceName, file_bodies, file_of, problem_of
from services.kit.imports.row_store import RowResult, RowState, row_results
from services.kit.imports.spec import ImportSpec
from services.kit.imports.upload import Uploads
from services.kit.messaging.outbox import Wakeup
from services.kit.rules.fields import CohortName
from services.kit.student_numbers import Standing

Covers = Annotated[
    Sequence[CohortName],
    Query(
        max_length=20,
        description="Cohorts (届别) of which the file is the complete list; `*` for every student on the roster. "
        "Once each row is applied, or its student known to be in doubt, students without a row are covered too.",
        examples=["2026"],
    ),
]
After = Annotated[int, Query(ge=0, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=1000)]


class Jobs(BaseModel):
    """Imports, newest first. `next_before` is the `before` of the next page."""

    model_config = ConfigDict(frozen=True)

    jobs: tuple[Job, ...]
    next_before: int | None


class Rows(BaseModel):
    """Results of rows, in order. `next_after` is the `after` of the next page."""

    model_config = ConfigDict(frozen=True)

    rows: tuple[RowResult, ...]
    next_after: int | None = Field(description="Null on the last page.")


def imports_router(
    spec: ImportSpec[Any],
    pool: "asyncpg.Pool[Any]",
    uploaded: Wakeup,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> APIRouter:
    """All routes of one import, for credentials with `spec.role`. `uploaded` wakes its `ImportWorker`."""
    router = APIRouter(tags=["import"], responses=problem_responses(404, 409, 415))
    staff = require(spec.role)
    uploads = Uploads(spec, pool, clock)

    @router.post(
        "/imports",
        status_code=202,
        response_model=Job,
        operation_id="import",
        summary="Upload a file of rows",
        description=_about(spec),
        max_body_size=MAX_BODY_BYTES,
        openapi_extra={"requestBody": {"required": True, "content": file_bodies(spec)}},
    )
    async def send(
        request: Request,
        response: Response,
        principal: Annotated[Principal, Depends(staff)],
        source: SourceName = None,
        covers: Covers = (),
        as_of: FileAsOf = None,
    ) -> Job:
        _check_options(spec, covers, as_of, clock())
        try:
            columns = spec.file_columns.of(source)
            kind, data = await file_of(request)
            job = await uploads.accept(kind, data, principal.name, columns=columns, covers=tuple(covers), as_of=as_of)
        except Unimportable as error:
            raise problem_of(error) from None
        uploaded.notify()
        response.headers["Location"] = f"{request.url.path.rstrip('/')}/{job.job_id}"
        return job

    router.include_router(preview_router(spec, pool, clock=clock))
    _add_queries(router, spec, pool, staff)
    return router


def _add_queries(
    router: APIRouter, spec: ImportSpec[Any], pool: "asyncpg.Pool[Any]", staff: Callable[..., Any]
) -> None:
    protected = [Depends(staff)]

    async def known(job_id: UUID) -> Job:
        async with pool.acquire() as connection:
            job = await job_store.find_job(connection, spec.kind, job_id)
        if job is None:
            detail = "GET /imports lists the jobs; a finished one is kept for a while (LIXIAO_KEEP_IMPORTS_DAYS)."
            raise Problem(404, "unknown-job", title="No such import", detail=detail)
        return job

    Known = Annotated[Job, Depends(known)]

    @router.get("/imports", dependencies=protected, operation_id="imports", summary="List the latest imports")
    async def jobs(
        before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None, limit: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> Jobs:
        """Newest first, running ones too."""
        async with pool.acquire() as connection:
            found, more = await job_store.latest_jobs(connection, spec.kind, before=before, limit=limit)
        return Jobs(jobs=tuple(found), next_before=more)

    @router.get(
        "/imports/{job_id}", dependencies=protected, operation_id="import-job", summary="Get the state of an import"
    )
    async def job(job: Known) -> Job:
        """How many rows are done, what became of them, and what was noticed about the file."""
        return job

    @router.get(
        "/imports/{job_id}/rows",
        dependencies=protected,
        operation_id="import-rows",
        summary="List the results of an import's rows",
    )
    async def rows(
        job: Known,
        state: RowState | None = None,
        standing: Standing | None = None,
        after: After = 0,
        limit: Limit = 100,
    ) -> Rows:
        """In the file's order, with the reasons of rejected ones; `state` and `standing` narrow the list."""
        async with pool.acquire() as connection:
            found = await row_results(
                connection, job.job_id, state=state, standing=standing, after=after, limit=limit + 1
            )
        page = tuple(found[:limit])
        return Rows(rows=page, next_after=page[-1].row if len(found) > limit else None)

    @router.get(
        "/imports/{job_id}/rows.csv",
        dependencies=protected,
        operation_id="import-rejected",
        summary="Download the rejected rows with their reasons, to correct and upload again",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    async def export(job: Known, principal: Annotated[Principal, Depends(staff)]) -> StreamingResponse:
        """CSV with the file's columns and one with the reasons, in Chinese and English."""
        async with pool.acquire() as connection:
            await append_look_up(connection, actor=principal.name, act=f"import.{spec.kind}", job=job.job_id)
        headers = {"Content-Disposition": f'attachment; filename="rejected-{job.job_id}.csv"'}
        source = spec.sources.get(job.source) if job.source is not None else None
        lines = rejected_csv(pool, job.job_id, spec.columns, source)
        return StreamingResponse(lines, headers=headers, media_type="text/csv")


def _check_options(spec: ImportSpec[Any], covers: Sequence[str], as_of: datetime | None, now: datetime) -> None:
    if covers and spec.evidence is None:
        remedy = "Leave it out: this import does not speak for students that it does not name."
        raise _option_problem("covers", "This import covers nobody.", remedy)
    require_past(as_of, now)


def _option_problem(name: str, problem: str, remedy: str) -> Problem:
    error = FieldProblem(field=f"query {name}", problem=problem, remedy=remedy)
    return Problem(422, "invalid-request", "The request has wrong or missing fields", detail=remedy, errors=[error])


def _about(spec: ImportSpec[Any]) -> str:
    return (
        "CSV (comma, semicolon or tab; UTF-8, UTF-16 or GB18030; headings in the first row), XLSX (one sheet, nothing "
        "hidden or merged; values, no formulas) or JSON lines (UTF-8). Ids are text: format their columns so. "
        "At most 20 MB and 200 000 rows. Each row is applied in full or rejected; "
        "`/imports/{job_id}/rows?state=rejected` lists the rejected ones with reasons. The same file uploaded again "
        "during its import is the same job; uploaded later, its rows are all `unchanged`.\n\n"
        f"Columns: {'; '.join(spec.columns.known)}. Required: {', '.join(spec.columns.required)}.{_sources(spec)}"
    )


def _sources(spec: ImportSpec[Any]) -> str:
    named = "; ".join(f"`{name}` ({' '.join(source.title)})" for name, source in spec.sources.items())
    return f"\n\nSources: {named}." if named else ""
