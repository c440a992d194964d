"""The HTTP API of a preview."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends, Query, Request

from services.kit.http.access.auth import Principal, require
from services.kit.http.requests.instants import require_past
from services.kit.imports.files.problems import Unimportable
from services.kit.imports.preview.answer import Preview
from services.kit.imports.preview.previews import Previews
from services.kit.imports.requests import MAX_BODY_BYTES, FileAsOf, SourceName, file_bodies, file_of, problem_of
from services.kit.imports.spec import ImportSpec


def preview_router(spec: ImportSpec[Any], pool: "asyncpg.Pool[Any]", *, clock: Callable[[], datetime]) -> APIRouter:
    router = APIRouter()
    previews = Previews(spec, pool, clock)

    @router.post(
        "/imports/preview",
        operation_id="import-preview",
        summary="See what a file would do, and do nothing of it",
        description="The first rows as they are understood, what each would change of its student, what would be "
        "refused and why. Every row is read; the first 20 000 are tried, for half a minute at most. Nothing is stored "
        "but an audit entry.",
        max_body_size=MAX_BODY_BYTES,
        openapi_extra={"requestBody": {"required": True, "content": file_bodies(spec)}},
    )
    async def preview(
        request: Request,
        principal: Annotated[Principal, Depends(require(spec.role))],
        source: SourceName = None,
        as_of: FileAsOf = None,
        rows: Annotated[int, Query(ge=1, le=200, description="How many rows are shown.")] = 20,
    ) -> Preview:
        require_past(as_of, clock())
        try:
            columns = spec.file_columns.of(source)
            kind, data = await file_of(request)
            return await previews.preview(kind, data, columns, principal.name, shown=rows, as_of=as_of)
        except Unimportable as error:
            raise problem_of(error) from None

    return router
