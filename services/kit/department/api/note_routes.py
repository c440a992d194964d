"""Notes between the members of an office about a student. They are shown at the desk alone, and published nowhere."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from schemas.events import StudentId
from services.kit.audit.log import append_entry, append_look_up
from services.kit.department.api.problems import as_problems
from services.kit.department.desk import Desk
from services.kit.department.tables.idempotency import store_answer, stored_answer
from services.kit.department.tables.notes import add_note, notes_about
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import problem_responses
from services.kit.http.requests.idempotency import IdempotencyKey, KeyHeader
from services.kit.manifests import DepartmentManifest
from services.kit.names import desk_role
from services.kit.operations import OperationBody, StudentQuery
from services.kit.postgres.pool import Connection
from services.kit.rules.fields import Paragraph

_NEWEST: Final = 100


class NoteBody(OperationBody):
    text: Paragraph


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class WrittenNote(_Answer):
    note_id: int
    text: str
    written_by: str = Field(description="Principal; with a person, `principal: person`.")
    written_at: datetime


class Notes(_Answer):
    student_id: StudentId
    notes: tuple[WrittenNote, ...]


def notes_router(desk: Desk[Any], department: DepartmentManifest) -> APIRouter:
    staff = require(desk_role(department.name))
    router = APIRouter(
        tags=[department.title.en], dependencies=[Depends(staff)], responses=problem_responses(401, 403, 422, 503)
    )

    @router.post("/notes", operation_id="write-note", summary="Write a note about a student")
    async def write(body: NoteBody, key: KeyHeader, principal: Annotated[Principal, Depends(staff)]) -> Notes:
        """Answers as the query does."""
        request = IdempotencyKey.of(principal.name, key, f"note {body.model_dump_json()}")
        with as_problems(department):
            async with desk.pool.acquire() as connection, connection.transaction():
                if await stored_answer(connection, request) is None:
                    note_id = await add_note(connection, body.student_id, body.text, by=principal.name)
                    await append_entry(
                        connection,
                        actor=principal.name,
                        act="note.write",
                        outcome="written",
                        student_id=body.student_id,
                        details={"note": note_id},
                    )
                    await store_answer(connection, request, {"student_id": body.student_id, "note": note_id})
                return await _notes(connection, body.student_id)

    @router.post("/notes/query", operation_id="notes", summary="List the notes about a student")
    async def query(body: StudentQuery, principal: Annotated[Principal, Depends(staff)]) -> Notes:
        """The newest 100, newest first."""
        async with desk.pool.acquire() as connection:
            await append_look_up(connection, actor=principal.name, act="note.query", students=[body.student_id])
            return await _notes(connection, body.student_id)

    return router


async def _notes(connection: Connection, student_id: str) -> Notes:
    found = await notes_about(connection, student_id, limit=_NEWEST)
    return Notes(
        student_id=student_id,
        notes=tuple(
            WrittenNote(note_id=one.note_id, text=one.text, written_by=one.written_by, written_at=one.written_at)
            for one in found
        ),
    )
