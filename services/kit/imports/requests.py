"""Requests that bring a file: its part of the form or the body, its source, and why it is refused."""

import json
from typing import Annotated, Any, Final

from fastapi import Query, Request
from starlette.datastructures import UploadFile

from schemas.events import Instant
from services.kit.http.problems import Problem
from services.kit.imports.files.formats import MAX_FILE_BYTES, MEDIA_TYPES, Format, format_of
from services.kit.imports.files.problems import Text, Unimportable
from services.kit.imports.spec import ImportSpec

MAX_BODY_BYTES: Final = MAX_FILE_BYTES + 64 * 1024
"""With the multipart envelope around the file."""
SourceName = Annotated[
    str | None,
    Query(
        max_length=41,
        description="The system the file comes from, which says what its headings and words mean; without it the one "
        "that the headings fit.",
    ),
]

FileAsOf = Annotated[
    Instant | None,
    Query(
        description="When the file was true, for example the export's time; its arrival without it. Rows that would "
        "undo something newer are left out as `outdated`.",
        examples=["2026-06-05T14:30:00+08:00"],
    ),
]


async def file_of(request: Request) -> tuple[Format, bytes]:
    """The file of a request: the file part of a form, or the whole body."""
    media_type = request.headers.get("content-type", "")
    if media_type.partition(";")[0].strip().lower() != "multipart/form-data":
        kind = format_of(media_type, None)
        return kind, await request.body()
    async with request.form(max_files=1, max_fields=4) as form:
        parts = [value for value in form.values() if isinstance(value, UploadFile)]
        if not parts:
            remedy = Text(
                "请在表单中附上带文件名的文件。",
                "Send one part with a filename, for example curl -F file=@rows.csv, or the file as the body.",
            )
            raise Unimportable("no-file", Text("表单里没有文件。", "The form has no file."), remedy)
        return format_of(parts[0].content_type, parts[0].filename), await parts[0].read()


def problem_of(error: Unimportable) -> Problem:
    headers = {"Retry-After": "30"} if error.status == 429 else None
    return Problem(
        error.status,
        error.slug,
        title=error.title,
        detail=error.remedy,
        errors=[{"field": e["field"], "problem": e["problem"], "remedy": e["remedy"]} for e in error.errors],
        headers=headers,
    )


def file_bodies(spec: ImportSpec[Any]) -> dict[str, Any]:
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": ["file"], "properties": {"file": file}}
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in spec.examples)
    examples = {kind: {"example": lines} for kind, format in MEDIA_TYPES.items() if lines and format is Format.JSONL}
    bodies = {media_type: {"schema": file, **examples.get(media_type, {})} for media_type in MEDIA_TYPES}
    return {"multipart/form-data": {"schema": form}, **bodies}
